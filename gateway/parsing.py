"""Requests from bytes. What cannot be read is the caller's mistake, and told as one.

By itself grpc.aio calls it an unexpected failure of ours. Such bytes come through the edge too: from a path that is not UTF-8,
and from JSON with a value of another kind than its field's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from gateway.errors import UnreadableRequest


def readable(handler: Any) -> grpc.RpcMethodHandler[Any, Any]:
    """Give a handler whose method is called with the refusal where there should be a request: only a method can answer with it.

    From a client's stream the refusal is raised where the next message should have come.
    """
    handler = handler._replace(request_deserializer=_reading(handler.request_deserializer))
    if handler.stream_unary is not None:
        behaviour = handler.stream_unary
        handler = handler._replace(stream_unary=lambda requests, context: behaviour(_read(requests), context))
    if handler.stream_stream is not None:
        both_ways = handler.stream_stream
        handler = handler._replace(stream_stream=lambda requests, context: both_ways(_read(requests), context))
    return handler  # type: ignore[no-any-return]


def _reading(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError as error:
            return UnreadableRequest(str(error))

    return read


async def _read(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        if isinstance(request, UnreadableRequest):
            raise request
        yield request
