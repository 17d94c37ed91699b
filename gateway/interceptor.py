"""Around every call: who calls, whether the gateway is open at all, and what the client is told when a handler raises."""

from __future__ import annotations

import logging
import math
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NoReturn

import grpc
from google.rpc import code_pb2, error_details_pb2
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from dispatch.errors import BlobUnavailable, BrokerUnavailable, ConfigurationError
from gateway.errors import Refusal, Unavailable, UnreadableRequest
from gateway.identity.authenticator import Authenticator
from gateway.identity.caller import Context, set_principal
from gateway.identity.grant import Grant
from gateway.identity.guard import Guard
from gateway.parsing import readable
from gateway.status import status, status_of_refusal
from gateway.traffic import Traffic

log = logging.getLogger(__name__)


class Doorkeeper(grpc.aio.ServerInterceptor):
    """Guards the methods below `prefixes`; the standard services are always open.

    `closed` tells why the gateway takes no calls now, or None. `guard` ends the calls that last when their callers' time is up,
    and `traffic` counts all.
    """

    def __init__(
        self,
        prefixes: tuple[str, ...],
        closed: Callable[[], Unavailable | None],
        authenticator: Authenticator,
        guard: Guard,
        traffic: Traffic,
    ) -> None:
        self._prefixes = prefixes
        self._closed = closed
        self._authenticator = authenticator
        self._guard = guard
        self._traffic = traffic

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(self._prefixes):
            return handler
        try:
            shown = await self._authenticator.authenticate(handler_call_details.invocation_metadata)
            if shown is not None:
                self._traffic.admit(shown.principal.name)
        except Refusal as refusal:
            return _refusing(method, refusal)
        handler = readable(handler)
        if handler.request_streaming and not handler.response_streaming:
            return handler._replace(stream_unary=self._uploading(method, handler.stream_unary, shown))  # type: ignore[attr-defined,no-any-return]
        if handler.request_streaming:
            return handler._replace(stream_stream=self._streaming(method, handler.stream_stream, shown))  # type: ignore[attr-defined,no-any-return]
        if handler.response_streaming:
            return handler._replace(unary_stream=self._streaming(method, handler.unary_stream, shown))  # type: ignore[attr-defined,no-any-return]
        return handler._replace(unary_unary=self._unary(method, handler.unary_unary, shown))  # type: ignore[attr-defined,no-any-return]

    def _unary(self, method: str, behaviour: Any, shown: Grant | None) -> Callable[[Any, Context], Awaitable[Any]]:
        async def call(request: Any, context: Context) -> Any:
            try:
                self._admit(shown, request, context)
                return await behaviour(request, context)
            except Exception as error:  # noqa: BLE001 - told to the client and the log, whatever it is
                await _tell(method, error, context)

        return call

    def _uploading(self, method: str, behaviour: Any, shown: Grant | None) -> Callable[[Any, Context], Awaitable[Any]]:
        async def call(requests: Any, context: Context) -> Any:
            try:
                async with self._guard.holding(self._admit(shown, requests, context)):
                    return await behaviour(requests, context)
            except Exception as error:  # noqa: BLE001 - told to the client and the log, whatever it is
                await _tell(method, error, context)

        return call

    def _streaming(self, method: str, behaviour: Any, shown: Grant | None) -> Callable[[Any, Context], AsyncIterator[Any]]:
        async def call(request: Any, context: Context) -> AsyncIterator[Any]:
            try:
                grant = self._admit(shown, request, context)
                async with self._guard.holding(grant):
                    async for message in behaviour(request, context):
                        yield message
            except Exception as error:  # noqa: BLE001 - told to the client and the log, whatever it is
                await _tell(method, error, context)

        return call

    def _admit(self, shown: Grant | None, request: Any, context: Context) -> Grant:
        """Tell everything behind here who calls."""
        grant = self._authenticator.of_connection(context) if shown is None else shown
        set_principal(grant.principal)
        if closed := self._closed():
            raise closed
        if shown is None:
            self._traffic.admit(grant.principal.name)
        if isinstance(request, UnreadableRequest):
            raise request
        return grant


def _refusing(method: str, refusal: Refusal) -> grpc.RpcMethodHandler[Any, Any]:
    """Give a handler that refuses before it has read a byte of the request, for it may be a large one."""

    async def call(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:  # noqa: ARG001 - gRPC's
        await _tell(method, refusal, context)
        yield b""

    return grpc.stream_stream_rpc_method_handler(call)


def status_of(method: str, error: Exception) -> Status:
    """Say what the client of a method is told of an error. What nobody foresaw is logged."""
    if isinstance(error, (Refusal, BlobUnavailable, BrokerUnavailable, ConfigurationError)):
        return status_of_refusal(error, retry_after_s=random.uniform(0.5, 1.5))
    incident = secrets.token_hex(4)
    log.error("%s failed, incident %s", method, incident, exc_info=error)
    return status(code_pb2.INTERNAL, "INTERNAL", f"something went wrong here; incident {incident}", incident=incident)


async def _tell(method: str, error: Exception, context: Context) -> NoReturn:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    told = status_of(method, error)
    # abort_with_status would do the same, but grpc.aio's version logs each as an unexpected error
    answer = rpc_status.to_status(told)
    await context.abort(answer.code, answer.details, (*answer.trailing_metadata, *_retry_after(told)))


def _retry_after(told: Status) -> Iterator[tuple[str, str]]:
    """Repeat when to come again in the words of HTTP: the edge passes it on, and there whole seconds are spoken."""
    delay = error_details_pb2.RetryInfo()
    if any(detail.Unpack(delay) for detail in told.details):
        yield "retry-after", str(math.ceil(delay.retry_delay.ToNanoseconds() / 1e9))
