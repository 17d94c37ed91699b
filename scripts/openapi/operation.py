"""One binding of one method, as an OpenAPI operation."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from scripts.openapi.binding import Binding
from scripts.openapi.contract import Contract
from scripts.openapi.schemas import WELL_KNOWN, Schema, Schemas

HTTP_BODY = "google.api.HttpBody"
ANY_TYPE = "*/*"
JSON = "application/json"
JSON_LINES = "application/x-ndjson"
REFUSALS = {
    "401": {"$ref": "#/components/responses/Unauthenticated"},
    "403": {"$ref": "#/components/responses/Forbidden"},
    "429": {"$ref": "#/components/responses/Exhausted"},
    "503": {"$ref": "#/components/responses/Unavailable"},
    "default": {"$ref": "#/components/responses/Error"},
}
"""What may come of any operation, whatever it does."""
SEGMENT = {"type": "string", "pattern": "^[^/:]+$"}


def operation(contract: Contract, schemas: Schemas, method: MethodDescriptor, binding: Binding, number: int) -> dict[str, Any]:
    """Describe it; `number` tells the bindings of a method apart, from 1."""
    comment = contract.comment(method)
    described = {
        "operationId": method.name if number == 1 else f"{method.name}{number}",
        "tags": [method.containing_service.name],
        "summary": re.split(r"(?<=\.)\s", comment, maxsplit=1)[0],
        "description": comment,
    }
    if parameters := list(_parameters(contract, schemas, method.input_type, binding)):
        described["parameters"] = parameters
    if binding.body:
        described["requestBody"] = {"required": True, "content": _body(schemas, method.input_type, binding)}
    return described | {"responses": {"200": _answer(contract, schemas, method, binding), **REFUSALS}}


def _parameters(contract: Contract, schemas: Schemas, message: Descriptor, binding: Binding) -> Iterator[Schema]:
    for name in binding.variables:
        field = message.fields_by_name[name]
        schema = SEGMENT if field.type == FieldDescriptor.TYPE_STRING else _undescribed(schemas.field(field))
        yield {"name": name, "in": "path", "required": True, "description": contract.comment(field), "schema": schema}
    if binding.body != "*":
        for path, field in _leaves(message, {*binding.variables, binding.body}):
            schema = _undescribed(schemas.field(field))
            yield {"name": path, "in": "query", "description": contract.comment(field), "schema": schema}


def _leaves(message: Descriptor, without: Collection[str]) -> Iterator[tuple[str, FieldDescriptor]]:
    """Yield each field that a query can hold, and its path: no map, and no list of messages."""
    for field in message.fields:
        if field.name in without:
            continue
        inner = field.message_type
        if inner is None or inner.full_name in WELL_KNOWN:
            yield field.name, field
        elif not field.is_repeated:
            yield from ((f"{field.name}.{path}", leaf) for path, leaf in _leaves(inner, ()))


def _undescribed(schema: Schema) -> Schema:
    return {name: value for name, value in schema.items() if name != "description"}


def _body(schemas: Schemas, message: Descriptor, binding: Binding) -> Schema:
    if binding.body != "*":
        field = message.fields_by_name[binding.body]
        return {ANY_TYPE: {}} if _is_bytes(field) else {JSON: {"schema": schemas.field(field)}}
    if binding.variables:
        return {JSON: {"schema": schemas.fields(message, without=binding.variables)}}
    return {JSON: {"schema": schemas.message(message)}}


def _answer(contract: Contract, schemas: Schemas, method: MethodDescriptor, binding: Binding) -> Schema:
    message = method.output_type
    if binding.response_body:
        if not _is_bytes(message.fields_by_name[binding.response_body]):
            raise ValueError(f"{method.full_name}: a response_body is an HttpBody here")
        return {"description": "The bytes, with their content type.", "content": {ANY_TYPE: {}}}
    content = {"schema": schemas.message(message)}
    if method.server_streaming:
        return {"description": f"Lines of JSON, as they come. {contract.comment(message)}", "content": {JSON_LINES: content}}
    return {"description": contract.comment(message), "content": {JSON: content}}


def _is_bytes(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name == HTTP_BODY
