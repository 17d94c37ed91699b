"""Many jobs of one kind, side by side, over one session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Generic, TypeVar

from myeye.backoff import Backoff
from myeye.errors import QueueFull, from_status
from myeye.handing_in import UploadProgress
from myeye.pictures import Pictures
from myeye.session import AsyncSession
from myeye.stream import Patience
from myeye.submission import SubmitOptions, new_request_id
from myeye.v1.job_pb2 import Job

P = TypeVar("P", bound=Pictures)

SUBMITTERS = 64
IN_FLIGHT = 1024
"""Jobs that are taken from the caller and not given back; what is taken is kept until then."""


class Batch(Generic[P]):
    """Makes a job of each of many, and gives it back with the job when that has ended."""

    def __init__(self, session: AsyncSession, patience: Patience, on_upload: UploadProgress | None) -> None:
        self._session = session
        self._patience = patience
        self._on_upload = on_upload
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._ended: asyncio.Queue[tuple[P, Job] | None] = asyncio.Queue()
        self._owners: dict[str, asyncio.Future[P]] = {}

    async def run(self, batch: Iterable[P], options: SubmitOptions) -> AsyncGenerator[tuple[P, Job], None]:
        """Yield what was given and its job, in the order in which they end.

        Raises:
            MyeyeError: one cannot be submitted, or was removed before its end was known; the others go on.
            OSError: a file cannot be read.
        """
        async with self._session:
            working = asyncio.create_task(self._work(batch, options))
            working.add_done_callback(lambda _: self._ended.put_nowait(None))
            try:
                while (ended := await self._ended.get()) is not None:
                    yield ended
                    self._room.release()
                await working
            finally:
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)

    async def _work(self, batch: Iterable[P], options: SubmitOptions) -> None:
        tasks = [asyncio.create_task(part) for part in (self._submit_all(batch, options), self._collect())]
        try:
            await asyncio.gather(*tasks)
        finally:
            await _end(tasks)

    async def _submit_all(self, batch: Iterable[P], options: SubmitOptions) -> None:
        todo = enumerate(batch)
        request_id = options.get("request_id") or new_request_id()

        async def submitter() -> None:
            for number, pictures in todo:
                await self._room.acquire()
                job = await self._submit(pictures, {**options, "request_id": f"{request_id}.{number}"})
                self._owner(job.id).set_result(pictures)

        tasks = [asyncio.create_task(submitter()) for _ in range(SUBMITTERS)]
        try:
            await asyncio.gather(*tasks)
        finally:
            await _end(tasks)
        await self._session.finish()

    async def _submit(self, pictures: P, options: SubmitOptions) -> Job:
        """Submit, and wait while the queue is full: what is in it moves on."""
        backoff = Backoff(self._patience.resume_s)
        while True:
            try:
                return await self._session.submit(pictures, on_upload=self._on_upload, **options)
            except QueueFull as failure:
                if not await backoff.pause(failure):
                    raise

    async def _collect(self) -> None:
        async for update in self._session.updates():
            if update.HasField("error"):
                raise from_status(update.error)
            owner = await self._owner(update.job_id)  # the end may be known before who has submitted it is told its id
            del self._owners[update.job_id]
            self._ended.put_nowait((owner, update.snapshot))

    def _owner(self, job_id: str) -> asyncio.Future[P]:
        if job_id not in self._owners:
            self._owners[job_id] = asyncio.get_running_loop().create_future()
        return self._owners[job_id]


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
