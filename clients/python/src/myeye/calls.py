"""One unary call, across as many attempts as it takes."""

from __future__ import annotations

from typing import TypeVar

import grpc

from myeye.backoff import Backoff
from myeye.errors import from_rpc_error
from myeye.tracing import trace_metadata

Request = TypeVar("Request")
Response = TypeVar("Response")


async def call(method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request, *, timeout_s: float) -> Response:
    """Call, and call again while that may help and there is time. The request must be safe to repeat.

    Raises:
        MyeyeError: the last answer.
    """
    backoff = Backoff(timeout_s)
    while True:
        try:
            return await method(request, timeout=backoff.remaining_s, metadata=trace_metadata())
        except grpc.aio.AioRpcError as error:
            failure = from_rpc_error(error)
            if not failure.transient or not await backoff.pause(failure):
                raise failure from error
