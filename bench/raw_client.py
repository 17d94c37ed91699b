"""The raw stack's clients: the bare library."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import grpc

from bench.raw_stack import DONE, METHODS, frame, frames, gathered, named
from bench.services import Connection, NotDone, Shape, beside


@dataclass(frozen=True, slots=True)
class Raw:
    """Where it is, and how the client talks to it."""

    target: str
    shape: Shape = Shape.UNARY

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        async with grpc.aio.insecure_channel(self.target, options=[("grpc.max_send_message_length", 32 << 20)]) as channel:
            match self.shape:
                case Shape.UNARY:
                    yield _Unary(channel)
                case Shape.WATCH_MANY:
                    many = _WatchMany(channel)
                    await many.begin()
                    async with beside(many.read()):
                        yield many
                case Shape.SESSION:
                    connection = _Session(channel)
                    async with beside(connection.read(), connection.write()):
                        yield connection


class _Unary(Connection):
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._submit: Any = channel.unary_unary(f"/{METHODS}/Submit")
        self._watch: Any = channel.unary_stream(f"/{METHODS}/Watch")

    async def submit(self, picture: bytes) -> str:
        job: bytes = await self._submit(picture)
        return job.decode()

    async def done(self, job: str) -> int:
        async for reply in self._watch(job.encode()):
            done_ns: int = DONE.unpack(reply)[0]
            return done_ns
        raise NotDone(job)


class _WatchMany(Connection):
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._submit: Any = channel.unary_unary(f"/{METHODS}/Submit")
        watch: Any = channel.unary_stream(f"/{METHODS}/WatchMany")
        self._stream = watch(b"")
        self._replies: defaultdict[str, asyncio.Future[int]] = defaultdict(_future)

    async def begin(self) -> None:
        """Return when replies go to this stream."""
        await self._stream.read()

    async def read(self) -> None:
        while message := await self._stream.read():
            for job, body in named(message):
                self._replies[job].set_result(DONE.unpack(body)[0])

    async def submit(self, picture: bytes) -> str:
        job: bytes = await self._submit(picture)
        return job.decode()

    async def done(self, job: str) -> int:
        done_ns = await self._replies[job]
        del self._replies[job]
        return done_ns


class _Session(Connection):
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stream: Any = channel.stream_stream(f"/{METHODS}/Session")()
        self._numbers = count(1)
        self._out: asyncio.Queue[bytes] = asyncio.Queue()
        self._accepted: dict[int, asyncio.Future[None]] = {}
        self._replies: defaultdict[int, asyncio.Future[int]] = defaultdict(_future)

    async def write(self) -> None:
        while True:
            await self._stream.write(await gathered(self._out))

    async def read(self) -> None:
        async for message in self._stream:
            for number, body in frames(message):
                if body:
                    self._replies[number].set_result(DONE.unpack(body)[0])
                else:
                    self._accepted.pop(number).set_result(None)

    async def submit(self, picture: bytes) -> str:
        number = next(self._numbers)
        accepted = self._accepted[number] = _future()
        self._out.put_nowait(frame(number, picture))
        await accepted
        return str(number)

    async def done(self, job: str) -> int:
        done_ns = await self._replies[int(job)]
        del self._replies[int(job)]
        return done_ns


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()
