"""Reading one stream of updates, as long as it gives signs of life."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import grpc

from myeye.errors import MyeyeError, ProtocolError, Unavailable, from_rpc_error
from myeye.v1.detection_service_pb2 import WatchManyResponse, WatchResponse

PERMANENT = frozenset(
    {
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
    }
)

Update = TypeVar("Update", WatchResponse, WatchManyResponse)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, in seconds."""

    call_s: float
    """For the answer of a call, its attempts and pauses included, and for the first sign of life of a watch."""
    silence_s: float
    """Before a stream counts as dead on which not even heartbeats come."""
    resume_s: float
    """Without any sign of life before a watch that has begun gives up."""


async def read_updates(
    stream: grpc.aio.UnaryStreamCall[Any, Update], first_s: float, silence_s: float
) -> AsyncGenerator[Update, None]:
    """Yield the messages of a stream until it ends OK; leaving it early cancels it.

    Args:
        stream: of Watch or WatchMany.
        first_s: to wait for the first message, if that is less than `silence_s`.
        silence_s: to wait for any message.

    Raises:
        Unavailable: it has fallen silent, or the gateway closes it.
        MyeyeError: its status.
    """
    limit_s = min(first_s, silence_s)
    try:
        while (update := await _read(stream, limit_s)) is not None:
            limit_s = silence_s
            yield update
    finally:
        stream.cancel()


async def _read(stream: grpc.aio.UnaryStreamCall[Any, Update], limit_s: float) -> Update | None:
    try:
        async with asyncio.timeout(limit_s):
            received = await stream.read()
    except TimeoutError as error:
        raise Unavailable("the stream has fallen silent", code=grpc.StatusCode.DEADLINE_EXCEEDED) from error
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error
    if received is grpc.aio.EOF:
        return None
    update = cast("Update", received)  # the stubs do not tell the end from a message
    if update.HasField("closing"):
        raise Unavailable(f"the gateway closes the stream: {update.closing.reason}", code=grpc.StatusCode.UNAVAILABLE)
    return update


def is_lasting(failure: MyeyeError, *, begun: bool) -> bool:
    """Tell whether another stream would fail alike.

    One that had `begun` and ends as UNAUTHENTICATED had a token whose time was up. Its file may have another by now; if not, the
    next stream does not begin.
    """
    if begun and failure.code is grpc.StatusCode.UNAUTHENTICATED:
        return False
    return isinstance(failure, ProtocolError) or failure.code in PERMANENT
