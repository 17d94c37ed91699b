"""Which trace a call belongs to: the caller's, if the program uses OpenTelemetry.

It is not needed for anything else, and so it is no dependency: who has a span open has imported it already.
"""

from __future__ import annotations

import sys
from typing import TypeAlias

Metadata: TypeAlias = tuple[tuple[str, str], ...]


def trace_metadata() -> Metadata:
    """Give the W3C Trace Context of the span that is open here, as a call's metadata; nothing when there is none."""
    if "opentelemetry.trace" not in sys.modules:
        return ()
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers)
    return tuple(headers.items())
