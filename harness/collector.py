"""A collector of traces: takes spans by OTLP over gRPC, as a real one would, and keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceServicer, add_TraceServiceServicer_to_server


@dataclass(frozen=True, slots=True)
class Span:
    """A span as it was sent; identifiers in hexadecimal, times in nanoseconds since 1970."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    begun_ns: int
    ended_ns: int
    attributes: dict[str, str]
    links: tuple[str, ...]
    """The traces that it is linked to."""


@dataclass
class Collector(TraceServiceServicer):
    """All spans so far, in the order in which they came."""

    target: str = ""
    spans: list[Span] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def Export(  # noqa: N802 - gRPC's name
        self,
        request: ExportTraceServiceRequest,
        context: grpc.aio.ServicerContext[ExportTraceServiceRequest, ExportTraceServiceResponse],  # noqa: ARG002
    ) -> ExportTraceServiceResponse:
        async with self._news:
            self.spans += _spans(request)
            self._news.notify_all()
        return ExportTraceServiceResponse()

    async def until(self, true_of: Callable[[list[Span]], bool], limit_s: float) -> list[Span]:
        """Wait until the spans are as they should be, and give them."""
        async with asyncio.timeout(limit_s), self._news:
            await self._news.wait_for(lambda: true_of(self.spans))
            return list(self.spans)


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector on a free port of the loopback address."""
    collector = Collector()
    server = grpc.aio.server()
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    collector.target = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield collector
    finally:
        await server.stop(0)


def _spans(request: ExportTraceServiceRequest) -> list[Span]:
    return [
        Span(
            service=_texts(resource.resource.attributes).get("service.name", ""),
            name=span.name,
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            begun_ns=span.start_time_unix_nano,
            ended_ns=span.end_time_unix_nano,
            attributes=_texts(span.attributes),
            links=tuple(link.trace_id.hex() for link in span.links),
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _texts(attributes: object) -> dict[str, str]:
    texts: dict[str, str] = {}
    for pair in attributes:  # type: ignore[attr-defined]
        texts[pair.key] = str(getattr(pair.value, pair.value.WhichOneof("value") or "string_value"))
    return texts
