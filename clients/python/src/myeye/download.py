"""Downloading one picture, across as many attempts as it takes."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from myeye.backoff import Backoff
from myeye.errors import MyeyeError, Unavailable, from_rpc_error
from myeye.stream import Patience
from myeye.tracing import trace_metadata


async def download(method: grpc.aio.UnaryStreamMultiCallable[Any, Any], request: Any, patience: Patience) -> bytes:
    """Read a stream of `body`s to its end, as long as something comes; begin again when it breaks, while there is time.

    Raises:
        MyeyeError: the last answer.
    """
    backoff = Backoff(patience.call_s)
    while True:
        data = bytearray()
        stream = method(request, metadata=trace_metadata())
        limit_s = min(backoff.remaining_s, patience.silence_s)
        try:
            while (piece := await _read(stream, limit_s)) is not None:
                limit_s = patience.silence_s
                data += piece
            return bytes(data)
        except MyeyeError as failure:
            if not failure.transient or not await backoff.pause(failure):
                raise
        finally:
            stream.cancel()


async def _read(stream: grpc.aio.UnaryStreamCall[Any, Any], limit_s: float) -> bytes | None:
    """Read the next piece; None is the end."""
    try:
        async with asyncio.timeout(limit_s):
            message: Any = await stream.read()
    except TimeoutError as error:
        raise Unavailable("the download has come to a halt", code=grpc.StatusCode.DEADLINE_EXCEEDED) from error
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error
    if message is grpc.aio.EOF:
        return None
    piece: bytes = message.body.data
    return piece
