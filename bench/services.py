"""Services under test, as their clients see them. Values, for they travel to the client's process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import grpc

from bench.raw_stack import DONE, METHODS
from myeye.aio import AsyncClient
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
    """Our gateway, with our Python client: unary Submit, and one Watch for each job."""

    target: str

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        async with AsyncClient(self.target) as client:
            yield _Ours(client)


@dataclass(frozen=True, slots=True)
class Raw:
    """The raw stack, with the bare library."""

    target: str

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        async with grpc.aio.insecure_channel(self.target, options=[("grpc.max_send_message_length", 32 << 20)]) as channel:
            yield _Raw(channel)


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
