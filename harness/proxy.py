"""A TCP proxy that can be told to fail: what lies between two processes, in the hands of a test."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

CONNECT_LIMIT_S = 5.0


class Proxy:
    """Carries connections to the first of `targets` that takes them, as a load balancer does. Runs in a thread of its own.

    Targets are ports of the loopback address; connections begin with the target at `first`, so that several proxies spread.
    """

    def __init__(self, targets: Sequence[int], *, first: int = 0) -> None:
        self._targets = (*targets[first:], *targets[:first])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._delay_s = 0.0
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._flowing.set()
        self.mend()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Reset what is open, and refuse what comes."""
        self._do(self._cut())

    def stall(self) -> None:
        """Swallow nothing and carry nothing: both ends believe the other to be silent."""
        self._do(self._stall())

    def slow(self, delay_s: float) -> None:
        """Carry every piece so much later."""
        self._do(self._slow(delay_s))

    def mend(self) -> None:
        """Carry again. What was stalled goes on, late."""
        self._do(self._mend())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _mend(self) -> None:
        self._delay_s = 0.0
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._open:
            reset_on_close = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset_on_close)
            writer.transport.abort()

    async def _stall(self) -> None:
        self._flowing.clear()

    async def _slow(self, delay_s: float) -> None:
        self._delay_s = delay_s

    async def _end(self) -> None:
        await self._cut()
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        self._open.add(writer)
        try:
            await self._carry(reader, writer)
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        far = await self._connect()
        if far is None:
            return
        far_reader, far_writer = far
        self._open.add(far_writer)
        pumps = [asyncio.ensure_future(self._pump(*way)) for way in ((reader, far_writer), (far_reader, writer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._open.discard(far_writer)
            far_writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for port in self._targets:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_LIMIT_S):
                    return await asyncio.open_connection("127.0.0.1", port)
        return None

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await asyncio.sleep(self._delay_s)
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
