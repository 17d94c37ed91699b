"""Streams with nothing behind them: a grpc.aio server that tells all who watch the same bytes. It is the limit for watchers.

`python -m bench.bare_streams ADDRESS FIRST NEXT`: the sizes of what each is told at first, and then at every Tell
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc

METHODS = "bench.Streams"


class Streams:
    """Watch, which never ends, and Tell."""

    def __init__(self, first: int, following: int) -> None:
        self._first = bytes(first)
        self._following = bytes(following)
        self._told = asyncio.get_running_loop().create_future()

    async def watch(self, _request: bytes, _context: Any) -> AsyncIterator[bytes]:
        yield self._first
        while True:
            await asyncio.wait({self._told})
            yield self._following

    async def tell(self, _request: bytes, _context: Any) -> bytes:
        told, self._told = self._told, asyncio.get_running_loop().create_future()
        told.set_result(None)
        return b""


async def serve(address: str, first: int, following: int) -> None:
    streams = Streams(first, following)
    server = grpc.aio.server()
    handlers: dict[str, Any] = {
        "Watch": grpc.unary_stream_rpc_method_handler(streams.watch),
        "Tell": grpc.unary_unary_rpc_method_handler(streams.tell),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(METHODS, handlers),))
    server.add_insecure_port(address)
    await server.start()
    print("ready", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
