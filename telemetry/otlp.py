"""Spans by OpenTelemetry's SDK, sent by OTLP over gRPC. Imported only when there is an address to send them to."""

from __future__ import annotations

import asyncio
import logging
from types import MappingProxyType, TracebackType
from typing import Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelSpan

from telemetry.registry import installed_version
from telemetry.tracing import Attributes, Kind, Span

log = logging.getLogger(__name__)

CLOSE_LIMIT_S = 2.0
_KINDS = MappingProxyType({kind: SpanKind[kind.name] for kind in Kind})


class OtlpTracer:
    """Implements `telemetry.tracing.Tracer`. Whether a span is heard of is decided where its trace began."""

    on = True

    def __init__(self, program: str, instance: str) -> None:
        named = {"service.name": f"myeye-{program}", "service.instance.id": instance, "service.version": installed_version()}
        resource = Resource.create(named).merge(OTELResourceDetector().detect())  # what the environment says comes first
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._processor = BatchSpanProcessor(OTLPSpanExporter())
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer("myeye", installed_version())
        log.info("traces are sent by OTLP")

    def span(self, name: str, kind: Kind, parent: str, attributes: Attributes) -> Span:
        return _OtlpSpan(self._tracer.start_span(name, _context(parent), _KINDS[kind], dict(attributes)))

    def past(self, name: str, parent: str, begun_ns: int, ended_ns: int, attributes: Attributes) -> None:
        span = self._tracer.start_span(name, _context(parent), SpanKind.INTERNAL, dict(attributes), start_time=begun_ns)
        span.end(max(begun_ns, ended_ns))

    async def close(self) -> None:
        closing = asyncio.ensure_future(asyncio.to_thread(self._provider.shutdown))
        done, _ = await asyncio.wait({closing}, timeout=CLOSE_LIMIT_S)
        if not done:
            log.warning("the last spans could not be sent in %g s", CLOSE_LIMIT_S)


class _OtlpSpan:
    def __init__(self, span: OtelSpan) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def set(self, **attributes: str | int | float) -> None:
        for name, value in attributes.items():
            self._span.set_attribute(name.replace("__", "."), value)

    def fail(self, why: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR, why))

    def link(self, traceparent: str) -> None:
        self._span.add_link(_span_context(traceparent))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, Exception):
            self._span.record_exception(error)
            self.fail(type(error).__name__)
        self._span.end()


def _context(traceparent: str) -> Context:
    return set_span_in_context(NonRecordingSpan(_span_context(traceparent)), Context()) if traceparent else Context()


def _span_context(traceparent: str) -> SpanContext:
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
