"""Outermost around every call: it is counted, timed and traced, whatever the client is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Any

import grpc

from dispatch.trace import TRACEPARENT, enter, valid
from gateway.metrics import Metrics
from telemetry.tracing import Kind, Span, Tracer

Context = grpc.aio.ServicerContext[Any, Any]
_Observe = Callable[[Any, Context], AbstractContextManager[None]]

_KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
CODES: Mapping[int, str] = MappingProxyType({code.value[0]: code.name for code in grpc.StatusCode})


class Observer(grpc.aio.ServerInterceptor):
    """Observes the methods below `prefixes`. They are named by their last part, which no two of ours share.

    `traceparent_of` gives that of the call which made a job, by the job's id.
    """

    def __init__(self, prefixes: tuple[str, ...], metrics: Metrics, tracer: Tracer, traceparent_of: Callable[[str], str]) -> None:
        self._prefixes = prefixes
        self._metrics = metrics
        self._tracer = tracer
        self._traceparent_of = traceparent_of

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(self._prefixes):
            return handler
        service, _, name = handler_call_details.method.removeprefix("/").partition("/")
        kind = next(each for each in _KINDS if getattr(handler, each) is not None)
        wrap = self._streaming if handler.response_streaming else self._unary
        parent = _traceparent(handler_call_details.invocation_metadata)
        observe = partial(self._observe, service, name, parent)
        return handler._replace(**{kind: wrap(observe, name, getattr(handler, kind))})  # type: ignore[attr-defined,no-any-return]

    def _unary(self, observe: _Observe, name: str, behaviour: Any) -> Callable[[Any, Context], Awaitable[Any]]:
        durations = self._metrics.call_durations.labels(name)

        async def call(request: Any, context: Context) -> Any:
            begun_s = time.perf_counter()
            try:
                with observe(request, context):
                    return await behaviour(request, context)
            finally:
                durations.observe(time.perf_counter() - begun_s)

        return call

    def _streaming(self, observe: _Observe, _: str, behaviour: Any) -> Callable[[Any, Context], AsyncIterator[Any]]:
        async def call(request: Any, context: Context) -> AsyncIterator[Any]:
            with observe(request, context):
                async for message in behaviour(request, context):
                    yield message

        return call

    def _observe(self, service: str, name: str, parent: str, request: Any, context: Context) -> _Call:
        """Count a call, in a span that belongs to the caller's trace."""
        span = self._tracer.span(f"{service}/{name}", Kind.SERVER, parent, _attributes(service, name))
        if self._tracer.on and (job_id := getattr(request, "job_id", "")):
            span.set(myeye__job=job_id)
            if made_by := self._traceparent_of(job_id):
                span.link(made_by)
        return _Call(name, self._metrics, span, context)


class _Call:
    """A call from its beginning to its end. Thousands of watches keep one; as a generator it would take four times the memory."""

    __slots__ = ("_context", "_metrics", "_name", "_span")

    def __init__(self, name: str, metrics: Metrics, span: Span, context: Context) -> None:
        self._name = name
        self._metrics = metrics
        self._span = span
        self._context = context

    def __enter__(self) -> None:
        self._span.__enter__()
        enter(self._span.traceparent)
        self._metrics.calls_in_progress.labels(self._name).inc()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._metrics.calls_in_progress.labels(self._name).dec()
        self._metrics.calls.labels(self._name, self._code(error)).inc()
        self._span.set(rpc__grpc__status_code=_number(self._context.code()))
        self._span.__exit__(kind, error, trace)

    def _code(self, error: BaseException | None) -> str:
        match error:
            case None:
                return "OK"
            case grpc.aio.AbortError():
                return CODES.get(_number(self._context.code()), "UNKNOWN")
            case asyncio.CancelledError() | GeneratorExit():  # the client has left, or its time is up
                return "CANCELLED"
        return "UNKNOWN"


def _attributes(service: str, name: str) -> Mapping[str, str]:
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}


def _number(code: Any) -> int:
    number: int = code.value[0] if isinstance(code, grpc.StatusCode) else code or 0
    return number


def _traceparent(metadata: Any) -> str:
    return next((valid(str(value)) for name, value in metadata if name == TRACEPARENT), "")
