"""Services under test, as their clients see them. Values, for they travel to the client's process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import Enum
from typing import Protocol


class Shape(Enum):
    """How a client with many jobs talks to a service."""

    UNARY = "one call and one watch a job"
    WATCH_MANY = "one call a job, one watch for all"
    SESSION = "one session for all"


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

    async def work(self, pictures: Iterator[bytes]) -> None:
        """Have all of these done, one after the other."""
        for picture in pictures:
            await self.done(await self.submit(picture))


@asynccontextmanager
async def beside(*parts: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run what reads and writes for a connection; when one of them fails, so does what is done meanwhile."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(part) for part in parts]
        yield
        for part in running:
            part.cancel()


class Service(Protocol):
    """Where to connect."""

    def connect(self) -> AbstractAsyncContextManager[Connection]: ...
