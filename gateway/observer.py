"""Outermost around every call: it is counted, timed and traced, whatever the client is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any

import grpc

from dispatch.trace import TRACEPARENT, enter, valid
from gateway.metrics import Metrics
from telemetry.tracing import Kind, Tracer

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

    @contextmanager
    def _observe(self, service: str, name: str, parent: str, request: Any, context: Context) -> Iterator[None]:
        """Count a call, in a span that belongs to the caller's trace."""
        what = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
        with self._tracer.span(f"{service}/{name}", Kind.SERVER, parent, what) as span:
            enter(span.traceparent)
            if self._tracer.on and (job_id := getattr(request, "job_id", "")):
                span.set(myeye__job=job_id)
                if made_by := self._traceparent_of(job_id):
                    span.link(made_by)
            try:
                with self._call(name, context):
                    yield
            finally:
                span.set(rpc__grpc__status_code=_number(context.code()))

    @contextmanager
    def _call(self, name: str, context: Context) -> Iterator[None]:
        in_progress = self._metrics.calls_in_progress.labels(name)
        in_progress.inc()
        code = "UNKNOWN"
        try:
            yield
            code = "OK"
        except grpc.aio.AbortError:
            code = CODES.get(_number(context.code()), "UNKNOWN")
            raise
        except (asyncio.CancelledError, GeneratorExit):  # the client has left, or its time is up
            code = "CANCELLED"
            raise
        finally:
            in_progress.dec()
            self._metrics.calls.labels(name, code).inc()


def _number(code: Any) -> int:
    number: int = code.value[0] if isinstance(code, grpc.StatusCode) else code or 0
    return number


def _traceparent(metadata: Any) -> str:
    return next((valid(str(value)) for name, value in metadata if name == TRACEPARENT), "")
