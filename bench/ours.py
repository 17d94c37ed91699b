"""Our gateway, with our Python client."""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.services import Connection, NotDone, Shape, beside
from myeye import AsyncClient, AsyncSession, Detail, WatchManyResponse, WatchResponse
from myeye.v1.job_pb2 import STATE_SUCCEEDED


@dataclass(frozen=True, slots=True)
class Myeye:
    """Where it is, and how the client talks to it."""

    target: str
    shape: Shape = Shape.UNARY

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        async with AsyncClient(self.target) as client:
            match self.shape:
                case Shape.UNARY:
                    yield _Unary(client)
                case Shape.WATCH_MANY:
                    many = _WatchMany(client)
                    async with beside(many.read()):
                        yield many
                case Shape.SESSION:
                    async with client.session(Detail.ENDS) as session:
                        connection = _Session(session)
                        async with beside(connection.read()):
                            yield connection


class _Unary(Connection):
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


def _done_ns(update: WatchResponse | WatchManyResponse) -> int:
    """Give when the worker reported success, if this tells of it; jobs have one picture here."""
    if update.snapshot.state == STATE_SUCCEEDED:
        return update.snapshot.end_time.ToNanoseconds()
    if update.event.item_finished.item.state == STATE_SUCCEEDED:
        return update.event.time.ToNanoseconds()
    return 0


class _Ends:
    """When the worker was done with each job whose end was told; 0 for one that failed."""

    def __init__(self) -> None:
        self._ends: defaultdict[str, asyncio.Future[int]] = defaultdict(lambda: asyncio.get_running_loop().create_future())

    def tell(self, job: str, done_ns: int) -> None:
        self._ends[job].set_result(done_ns)

    async def of(self, job: str) -> int:
        done_ns = await self._ends[job]
        del self._ends[job]
        if not done_ns:
            raise NotDone(job)
        return done_ns


class _WatchMany(Connection):
    """All jobs of one label, which are all of this connection."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._labels = {"bench": uuid.uuid4().hex}
        self._ends = _Ends()

    async def submit(self, picture: bytes) -> str:
        return (await self._client.submit(picture, labels=self._labels)).id

    async def done(self, job: str) -> int:
        return await self._ends.of(job)

    async def read(self) -> None:
        done_ns: dict[str, int] = {}
        updates: AsyncGenerator[WatchManyResponse, None] = self._client.watch_many(
            labels=[f"{key}={value}" for key, value in self._labels.items()]
        )
        async for update in updates:
            if known_ns := _done_ns(update):
                done_ns[update.job_id] = known_ns
            if (update.HasField("event") and update.event.HasField("job_finished")) or update.snapshot.HasField("end_time"):
                self._ends.tell(update.job_id, done_ns.pop(update.job_id, 0))


class _Session(Connection):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._ends = _Ends()

    async def read(self) -> None:
        async for update in self._session.updates():
            succeeded = update.snapshot.state == STATE_SUCCEEDED
            self._ends.tell(update.job_id, update.snapshot.end_time.ToNanoseconds() if succeeded else 0)

    async def submit(self, picture: bytes) -> str:
        return (await self._session.submit(picture)).id

    async def done(self, job: str) -> int:
        return await self._ends.of(job)
