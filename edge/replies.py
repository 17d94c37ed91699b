"""What Envoy answers by itself, as JSON like the gateways' errors: the one table of its codes and reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.rpc import code_pb2

DOMAIN = "myeye"

JSON_EXPECTED = {
    "or_filter": {
        "filters": [
            # the transcoder makes gRPC of a REST call, and leaves this behind
            {"header_filter": {"header": {"name": "x-envoy-original-method", "present_match": True}}},
            {
                "header_filter": {
                    "header": {
                        "name": "content-type",
                        "string_match": {"prefix": "application/grpc"},
                        "invert_match": True,
                        "treat_missing_header_as_empty": True,
                    }
                }
            },
        ]
    }
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer for the HTTP statuses from `first` to `last`."""

    first: int
    last: int
    code: code_pb2.Code.ValueType
    reason: str
    message: str = "%LOCAL_REPLY_BODY%"


TOKEN_MISSING = Reply(403, 403, code_pb2.UNAUTHENTICATED, "TOKEN_MISSING", "a token is needed: authorization: Bearer TOKEN")
"""What Envoy's filter refuses as forbidden."""

REPLIES = (
    # what is wrong with the HTTP itself has no body, and then only `details` tells it
    Reply(400, 400, code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST", "invalid request: %LOCAL_REPLY_BODY%"),
    Reply(403, 403, code_pb2.PERMISSION_DENIED, "CROSS_SITE_REQUEST"),
    Reply(421, 421, code_pb2.PERMISSION_DENIED, "HOST_NOT_ALLOWED"),
    Reply(404, 404, code_pb2.NOT_FOUND, "NO_SUCH_METHOD"),
    Reply(405, 405, code_pb2.UNIMPLEMENTED, "METHOD_NOT_ALLOWED"),
    Reply(408, 408, code_pb2.DEADLINE_EXCEEDED, "REQUEST_TIMEOUT"),
    Reply(413, 413, code_pb2.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE"),
    Reply(431, 431, code_pb2.RESOURCE_EXHAUSTED, "HEADERS_TOO_LARGE"),
    Reply(400, 499, code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST"),
    Reply(503, 503, code_pb2.UNAVAILABLE, "GATEWAY_UNAVAILABLE"),
    Reply(504, 504, code_pb2.DEADLINE_EXCEEDED, "GATEWAY_TIMEOUT"),
    Reply(500, 599, code_pb2.INTERNAL, "EDGE_FAILED"),
)


NO_TOKEN = {"header_filter": {"header": {"name": "authorization", "present_match": False}}}


def mappers(*, token_required: bool = False) -> list[dict[str, Any]]:
    """Give Envoy's mappers of local replies; the first that fits counts. Answers to gRPC stay as they are."""
    missing = _mapper(TOKEN_MISSING)
    missing["filter"]["and_filter"]["filters"].append(NO_TOKEN)
    missing["status_code"] = 401
    missing["headers_to_add"] = [{"header": {"key": "www-authenticate", "value": "Bearer"}}]
    return [*([missing] if token_required else []), *map(_mapper, REPLIES)]


def _mapper(reply: Reply) -> dict[str, Any]:
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reply.reason,
        "domain": DOMAIN,
        "metadata": {"details": "%RESPONSE_CODE_DETAILS%"},
    }
    body = {"code": int(reply.code), "message": reply.message, "details": [info]}
    filters = [_status("GE", reply.first), _status("LE", reply.last), JSON_EXPECTED]
    return {"filter": {"and_filter": {"filters": filters}}, "body_format_override": {"json_format": body}}


def _status(comparison: str, status: int) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": f"edge.reply.{comparison}.{status}"}
    return {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}
