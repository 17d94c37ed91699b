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
UNAUTHENTICATED = """\
The service asks who calls, and what was shown does not tell: `reason` is TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED or one of a
certificate.\
"""
FORBIDDEN = """\
A browser asks for a page of another site (CROSS_SITE_REQUEST), or the caller may not have what it asks for.\
"""
EXHAUSTED = """\
Too much or too often, by the caller's quota (QUOTA_JOBS, QUOTA_ITEMS, QUOTA_BYTES, RATE_LIMITED, TOO_MANY_WATCHES,
TOO_MANY_UPLOADS; google.rpc.QuotaFailure among `details` says whose) or because a queue is full (QUEUE_FULL). Nothing of the
call was kept.\
"""
UNAVAILABLE = """\
Not now: the broker, the blob store or a gateway is away or starts. The same call may be repeated; with a `request_id` it makes no
second job.\
"""
RETRY_AFTER = {"Retry-After": {"description": "In how many seconds to come again.", "schema": {"type": "integer", "minimum": 0}}}
CHALLENGE = {"WWW-Authenticate": {"description": "Which scheme is wanted.", "schema": {"type": "string"}}}


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
    told = {"content": {JSON: {"schema": schemas.message(contract.message(status))}}}
    responses = {
        "Error": {"description": ERROR, **told},
        "Unauthenticated": {"description": UNAUTHENTICATED, "headers": CHALLENGE, **told},
        "Forbidden": {"description": FORBIDDEN, **told},
        "Exhausted": {"description": EXHAUSTED, "headers": RETRY_AFTER, **told},
        "Unavailable": {"description": UNAVAILABLE, "headers": RETRY_AFTER, **told},
    }
    token = {"type": "http", "scheme": "bearer", "description": "Where the service asks who calls."}
    return {
        "openapi": "3.1.0",
        "info": {"title": "myeye", "version": package.rpartition(".")[2], "description": INTRODUCTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": service.name, "description": contract.comment(service)} for service in contract.services],
        # none, or a token
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.kept.items())),
            "responses": responses,
            "securitySchemes": {"token": token},
        },
    }
