"""Which trace something belongs to: the traceparent of W3C Trace Context, as it travels in calls, events and tasks.

It is told on whether or not this process takes part in tracing; so a trace does not end at one that does not.
"""

from __future__ import annotations

import re
from contextvars import ContextVar

TRACEPARENT = "traceparent"
"""The name of the header that carries it, of HTTP and of gRPC."""

_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_current: ContextVar[str] = ContextVar(TRACEPARENT, default="")


def valid(traceparent: str) -> str:
    """Give it back if it is one, and nothing otherwise: what is not understood is to be ignored, says the standard."""
    return traceparent if len(traceparent) == 55 and _FORM.fullmatch(traceparent) else ""


def trace_id(traceparent: str) -> str:
    """Give the identifier of the trace, empty for nothing."""
    return traceparent[3:35]


def current() -> str:
    """Give the traceparent of what the running task does, empty when it belongs to no trace."""
    return _current.get()


def enter(traceparent: str) -> None:
    """Say what the running task does from now on; tasks that it starts inherit it."""
    _current.set(traceparent)
