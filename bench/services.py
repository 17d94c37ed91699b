"""Services under test, as their clients see them. Values, for they travel to the client's process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import grpc

from bench.raw_stack import DONE, METHODS, frame, frames, gathered
from myeye import AsyncClient, AsyncSession, Detail, SessionUpdate
from myeye.v1.detection_service_pb2 import WatchResponse
from myeye.v1.job_pb2 import STATE_SUCCEEDED


class NotDone(Exception):
    """A job came to another end than success: nothing measured with it would mean anything."""


class Connection(Protocol):
    """What a client does."""

    async def submit(self, picture: bytes) -> str:
        """Return the job's id when it is accepted."""

    async def done(self, job: str) -> int:
        """Wait for the end, and give when the worker was done, in nanoseconds since 1970.

        Raises:
            NotDone: the job failed.
        """


class Service(Protocol):
    """Where to connect."""

    def connect(self) -> AbstractAsyncContextManager[Connection]: ...


@dataclass(frozen=True, slots=True)
class Myeye:
    """Our gateway, with our Python client: unary Submit, and one Watch for each job; or a session for all."""

    target: str
    session: bool = False

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        async with AsyncClient(self.target) as client:
            if not self.session:
                yield _Ours(client)
                return
            async with client.session(Detail.ENDS) as session:
                connection = _OurSession(session)
                reading = asyncio.ensure_future(connection.read())
                yield connection
                reading.cancel()


@dataclass(frozen=True, slots=True)
class Raw:
    """The raw stack, with the bare library."""

    target: str
    session: bool = False

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        async with grpc.aio.insecure_channel(self.target, options=[("grpc.max_send_message_length", 32 << 20)]) as channel:
            if not self.session:
                yield _Raw(channel)
                return
            connection = _RawSession(channel)
            working = [asyncio.ensure_future(part) for part in (connection.read(), connection.write())]
            yield connection
            for part in working:
                part.cancel()


class _Ours:
    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def submit(self, picture: bytes) -> str:
        return (await self._client.submit(picture)).id

    async def done(self, job: str) -> int:
        done_ns = 0
        async for update in self._client.watch(job):
            done_ns = _done_ns(update) or done_ns
        if not done_ns:
            raise NotDone(job)
        return done_ns


def _done_ns(update: WatchResponse) -> int:
    """Give when the worker reported success, if this tells of it; jobs have one picture here."""
    if update.snapshot.state == STATE_SUCCEEDED:
        return update.snapshot.end_time.ToNanoseconds()
    if update.event.item_finished.item.state == STATE_SUCCEEDED:
        return update.event.time.ToNanoseconds()
    return 0


class _OurSession:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._ends: defaultdict[str, asyncio.Future[SessionUpdate]] = defaultdict(_future)

    async def read(self) -> None:
        async for update in self._session.updates():
            self._ends[update.job_id].set_result(update)

    async def submit(self, picture: bytes) -> str:
        return (await self._session.submit(picture)).id

    async def done(self, job: str) -> int:
        update = await self._ends[job]
        del self._ends[job]
        if update.snapshot.state != STATE_SUCCEEDED:
            raise NotDone(job)
        return update.snapshot.end_time.ToNanoseconds()


class _RawSession:
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


class _Raw:
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
