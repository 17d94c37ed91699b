"""Downloading one picture, across as many attempts as it takes."""

from __future__ import annotations

from typing import Any

import grpc

from myeye.backoff import Backoff
from myeye.errors import from_rpc_error
from myeye.tracing import trace_metadata


async def download(method: grpc.aio.UnaryStreamMultiCallable[Any, Any], request: Any, *, timeout_s: float) -> bytes:
    """Read a stream of `body`s to its end; begin again when it breaks, while that may help and there is time.

    Raises:
        MyeyeError: the last answer.
    """
    backoff = Backoff(timeout_s)
    while True:
        try:
            messages = method(request, timeout=backoff.remaining_s, metadata=trace_metadata())
            return b"".join([message.body.data async for message in messages])
        except grpc.aio.AioRpcError as error:
            failure = from_rpc_error(error)
            if not failure.transient or not await backoff.pause(failure):
                raise failure from error
