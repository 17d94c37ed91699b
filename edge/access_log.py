"""What is logged of every call, as text or as JSON. Queries are left out: they may hold what people gave names to."""

from __future__ import annotations

from typing import Any

# a refused call has it among the headers, any other behind its messages
GRPC_STATUS = (
    '%COALESCE({"operators": [{"command": "RESP", "param": "GRPC-STATUS"}, {"command": "TRAILER", "param": "GRPC-STATUS"}]})%'
)
TIME = "%START_TIME(%Y-%m-%d %H:%M:%S.%3f)%"
# one that begins here, when spans are sent, or the caller's
TRACE = '%COALESCE({"operators": [{"command": "TRACE_ID"}, {"command": "DYNAMIC_METADATA", "param": "edge:trace"}]})%'
FIELDS = {
    "method": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%",
    "path": "%PATH(NQ)%",
    "status": "%RESPONSE_CODE%",
    "grpc_status": GRPC_STATUS,
    "duration_ms": "%DURATION%",
    "job": "%DYNAMIC_METADATA(edge:job)%",
    "trace": TRACE,
    "gateway": "%UPSTREAM_HOST%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
}


def log_format(name: str) -> dict[str, Any]:
    """Give Envoy's format of the name "text" or "json"."""
    if name == "json":
        return {"json_format": {"time": "%START_TIME%", "logger": "edge", **FIELDS}, "omit_empty_values": True}
    line = " ".join(f"{field}={command}" for field, command in FIELDS.items())
    return {"text_format_source": {"inline_string": f"{TIME} edge {line}\n"}, "omit_empty_values": True}
