"""The whole OpenAPI document."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from scripts.openapi.binding import bindings
from scripts.openapi.contract import Contract
from scripts.openapi.operation import JSON, operation
from scripts.openapi.schemas import Schemas

INTRODUCTION = """\
Object detection off the server that people talk to: submit pictures or videos, have a job's id at once, watch it or fetch its
results.

Fields are spelled as in the gRPC contract, from which this description is made; in answers those at their zero value are left
out. An integer of 64 bits is a string. A query parameter that is not known is refused; a field that is not known in a JSON body
is ignored.

A stream of JSON lines that ends without the message that its operation promises as the last was cut: call again, from where it
was.\
"""
ERROR = """\
What went wrong. The HTTP status follows from `code` (a google.rpc.Code); the first of `details` is a google.rpc.ErrorInfo with
the domain "myeye" and a `reason`.\
"""


def document(files: FileDescriptorSet, package: str, status: str = "google.rpc.Status") -> dict[str, Any]:
    """Describe all methods of the package's services that have HTTP bindings. The set has source info.

    Raises:
        ValueError: there is something that this generator has no words for.
    """
    contract = Contract.read(files, package)
    schemas = Schemas(contract, package)
    paths: dict[str, dict[str, Any]] = {}
    for method in contract.methods():
        for number, binding in enumerate(bindings(method), 1):
            place = paths.setdefault(binding.path, {})
            if binding.verb in place:
                raise ValueError(f"{method.full_name}: {binding.verb} {binding.path} is taken")
            place[binding.verb] = operation(contract, schemas, method, binding, number)
    error = {"description": ERROR, "content": {JSON: {"schema": schemas.message(contract.message(status))}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "myeye", "version": package.rpartition(".")[2], "description": INTRODUCTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": service.name, "description": contract.comment(service)} for service in contract.services],
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.kept.items())), "responses": {"Error": error}},
    }
