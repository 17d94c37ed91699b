"""Messages as JSON Schema: the JSON of protobuf, as Envoy writes and reads it, with the fields' own names."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor

from scripts.openapi.contract import Contract

Schema = dict[str, Any]

INT64 = {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"}
UINT64 = {"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$"}
INT32 = {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1}
UINT32 = {"type": "integer", "format": "uint32", "minimum": 0, "maximum": 2**32 - 1}
SCALARS: dict[int, Schema] = {
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.TYPE_INT64: INT64,
    FieldDescriptor.TYPE_SINT64: INT64,
    FieldDescriptor.TYPE_SFIXED64: INT64,
    FieldDescriptor.TYPE_UINT64: UINT64,
    FieldDescriptor.TYPE_FIXED64: UINT64,
    FieldDescriptor.TYPE_INT32: INT32,
    FieldDescriptor.TYPE_SINT32: INT32,
    FieldDescriptor.TYPE_SFIXED32: INT32,
    FieldDescriptor.TYPE_UINT32: UINT32,
    FieldDescriptor.TYPE_FIXED32: UINT32,
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}
WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$", "examples": ["1.5s"]},
    "google.protobuf.Any": {
        "type": "object",
        "description": "One of the messages of google/rpc/error_details.proto, and which.",
        "properties": {"@type": {"type": "string", "examples": ["type.googleapis.com/google.rpc.ErrorInfo"]}},
        "required": ["@type"],
        "additionalProperties": True,
    },
}


class Schemas:
    """The schemas that were asked for, by the names under which the document keeps them."""

    def __init__(self, contract: Contract, package: str) -> None:
        self._contract = contract
        self._prefix = f"{package}."
        self.kept: dict[str, Schema] = {}

    def message(self, message: Descriptor) -> Schema:
        """Give the reference to a message's schema, and keep that."""
        return self._keep(message, self.fields)

    def fields(self, message: Descriptor, without: Collection[str] = ()) -> Schema:
        """Give a message's schema itself. Every field may be absent: in answers, those at their zero value are."""
        if message.full_name in WELL_KNOWN:
            return WELL_KNOWN[message.full_name]
        schema: Schema = {"type": "object"} | self._described(message)
        if properties := {field.name: self.field(field) for field in message.fields if field.name not in without}:
            schema["properties"] = properties
        if choices := [_choice(oneof) for oneof in message.oneofs if not _of_presence(oneof)]:
            schema |= choices[0] if len(choices) == 1 else {"allOf": choices}
        return schema

    def field(self, field: FieldDescriptor) -> Schema:
        """Give a field's schema, with its comment."""
        entry = field.message_type if field.message_type is not None and field.message_type.GetOptions().map_entry else None
        if entry is not None:
            schema: Schema = {"type": "object", "additionalProperties": self._value(entry.fields_by_name["value"])}
        elif field.is_repeated:
            schema = {"type": "array", "items": self._value(field)}
        else:
            schema = self._value(field)
        return schema | self._described(field)

    def _value(self, field: FieldDescriptor) -> Schema:
        if field.message_type is not None:
            return self.message(field.message_type)
        if field.enum_type is not None:
            return self._keep(field.enum_type, self._enum)
        return SCALARS[field.type]

    def _enum(self, enum: EnumDescriptor) -> Schema:
        values = "".join(f"\n- {value.name}: {' '.join(self._contract.comment(value).split())}" for value in enum.values)
        return {
            "type": "string",
            "enum": [value.name for value in enum.values],
            "description": f"{self._contract.comment(enum)}\n{values}",
        }

    def _keep(self, described: Any, make: Any) -> Schema:
        name = described.full_name.removeprefix(self._prefix)
        if name not in self.kept:
            self.kept[name] = {}  # a message may hold itself
            self.kept[name] = make(described)
        return {"$ref": f"#/components/schemas/{name}"}

    def _described(self, described: Any) -> Schema:
        comment = self._contract.comment(described)
        return {"description": comment} if comment else {}


def _of_presence(oneof: OneofDescriptor) -> bool:
    """Say whether it is what protoc makes of the word `optional`."""
    return len(oneof.fields) == 1 and oneof.name == f"_{oneof.fields[0].name}"


def _choice(oneof: OneofDescriptor) -> Schema:
    """At most one of them, and none is what a later version may have added."""
    one = [{"title": field.name, "required": [field.name]} for field in oneof.fields]
    return {"oneOf": [*one, {"title": "none of these", "not": {"anyOf": [{"required": [field.name]} for field in oneof.fields]}}]}
