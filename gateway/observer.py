"""Outermost around every call: it is counted and timed, whatever the client is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import grpc

from gateway.metrics import Metrics

Context = grpc.aio.ServicerContext[Any, Any]

_KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
CODES: Mapping[int, str] = MappingProxyType({code.value[0]: code.name for code in grpc.StatusCode})


class Observer(grpc.aio.ServerInterceptor):
    """Observes the methods below `prefixes`. They are named by their last part, which no two of ours share."""

    def __init__(self, prefixes: tuple[str, ...], metrics: Metrics) -> None:
        self._prefixes = prefixes
        self._metrics = metrics

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(self._prefixes):
            return handler
        name = handler_call_details.method.rpartition("/")[2]
        kind = next(each for each in _KINDS if getattr(handler, each) is not None)
        wrap = self._streaming if handler.response_streaming else self._unary
        return handler._replace(**{kind: wrap(name, getattr(handler, kind))})  # type: ignore[attr-defined,no-any-return]

    def _unary(self, name: str, behaviour: Any) -> Callable[[Any, Context], Awaitable[Any]]:
        durations = self._metrics.call_durations.labels(name)

        async def call(request: Any, context: Context) -> Any:
            begun_s = time.perf_counter()
            try:
                with self._call(name, context):
                    return await behaviour(request, context)
            finally:
                durations.observe(time.perf_counter() - begun_s)

        return call

    def _streaming(self, name: str, behaviour: Any) -> Callable[[Any, Context], AsyncIterator[Any]]:
        async def call(request: Any, context: Context) -> AsyncIterator[Any]:
            with self._call(name, context):
                async for message in behaviour(request, context):
                    yield message

        return call

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
    number: int = code.value[0] if isinstance(code, grpc.StatusCode) else code
    return number
