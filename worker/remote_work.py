"""An attempt at what is to be fetched from an address, and is a picture or a video by its first bytes.

It is fetched into the blob store, to where it would lie had it been handed in, and then looked at as that would be. So a later
attempt, a download and a Retry find it there, and nobody asks the other side twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from dispatch.codec import duration, nanoseconds
from dispatch.errors import BlobNotFound
from dispatch.events import Succeeded
from dispatch.media_type import HEAD_BYTES, is_video, media_type
from dispatch.options import MAX_PICTURE_BYTES
from dispatch.uri import Uri, read_uri
from dispatch.v1.task_pb2 import Task
from egress.errors import EgressError, Forbidden, TooLarge, Unreachable
from egress.fetch import Fetcher
from myeye.v1.job_pb2 import Timings
from worker.attempt import Attempt
from worker.desk import Desk
from worker.detection import Stage
from worker.messages import seconds
from worker.picture_work import PictureWork
from worker.video.work import VideoWork
from worker.work import Work


class RemoteWork:
    """Implements `worker.work.Work`."""

    def __init__(self, desk: Desk, attempt: Attempt) -> None:
        self._desk = desk
        self._attempt = attempt
        self._begun_s = time.monotonic()
        self._work: Work | None = None
        self._fetched_bytes: int | None = None

    @property
    def fetched_bytes(self) -> int | None:
        return self._fetched_bytes

    async def fetch(self) -> None:
        """Do nothing yet: nobody outside is asked for an item that may not be wanted."""

    async def do(self, fetch: asyncio.Future[None]) -> Succeeded:
        await fetch
        self._attempt.trail.enter(Stage.FETCHING)
        self._desk.progress.note(self._attempt.claim, Stage.FETCHING)
        limit_s = self._attempt.limit_s
        async with asyncio.timeout(limit_s) as patience:
            head = await self._kept() or await self._bring(patience)
        fetch_s = time.monotonic() - self._begun_s
        task = _as_handed_in(self._attempt.task, head, fetch_s)
        if task.HasField("video"):
            return await self._look(VideoWork, task, fetch_s)
        async with self._desk.frames:  # as a frame of a video: what was handed in need not wait behind more than a few
            return await self._look(PictureWork, task, fetch_s)

    async def close(self) -> None:
        if self._work:
            await self._work.close()

    async def _look(self, kind: type[PictureWork | VideoWork], task: Task, fetch_s: float) -> Succeeded:
        self._work = work = kind(self._desk, replace(self._attempt, task=task, fetched_bytes=self._fetched_bytes))
        reading = asyncio.ensure_future(work.fetch())
        try:
            succeeded = await work.do(reading)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        return replace(succeeded, timings=_with_fetch(succeeded.timings, fetch_s))

    async def _kept(self) -> bytes:
        """Give how that begins which an earlier attempt has fetched; empty if none has."""
        blob = self._attempt.task.input_blob
        try:
            async with aclosing(self._desk.blobs.read(blob)) as chunks:
                head = (await anext(chunks, b""))[:HEAD_BYTES]
        except BlobNotFound:
            self._fetched_bytes = 0
            return b""
        self._fetched_bytes = sum(each.size_bytes for each in await self._desk.blobs.list(_folder(blob)) if each.name == blob)
        return head

    async def _bring(self, patience: asyncio.Timeout) -> bytes:
        """Fetch it into the blob store, and give how it begins."""
        if self._desk.fetcher is None:
            raise Forbidden("this worker fetches nothing")
        task = self._attempt.task
        longest_s = nanoseconds(task.video_execution_timeout) / 1e9
        intake = _Intake(patience, asyncio.get_running_loop().time() + longest_s)
        most = min(self._desk.max_upload_bytes, task.remote.max_bytes or self._desk.max_upload_bytes)
        chunks = intake.chunks(self._desk.fetcher, read_uri(task.remote.uri), most)
        self._fetched_bytes = None
        try:
            async with aclosing(chunks):
                await self._desk.blobs.write(task.input_blob, chunks)
        except EgressError:
            self._fetched_bytes = 0
            raise
        self._fetched_bytes = intake.size
        return intake.head


@dataclass(slots=True)
class _Intake:
    """What is being fetched. A video may take until `video_deadline`, of the loop's clock, and have more bytes than a picture."""

    patience: asyncio.Timeout
    video_deadline: float
    head: bytes = b""
    size: int = 0

    async def chunks(self, fetcher: Fetcher, uri: Uri, max_bytes: int) -> AsyncGenerator[bytes, None]:
        async with aclosing(fetcher.fetch(uri, max_bytes=max_bytes)) as chunks:
            async for chunk in chunks:
                if len(self.head) < HEAD_BYTES:
                    self._look(chunk)
                self.size += len(chunk)
                if self.size > MAX_PICTURE_BYTES and not _begins_video(self.head):
                    raise TooLarge(f"what is at {uri.origin} is no video, and has more than {MAX_PICTURE_BYTES:,} bytes")
                yield chunk
        if not self.size:
            raise Unreachable(f"{uri.origin} answers with nothing", lasting=True)

    def _look(self, chunk: bytes) -> None:
        self.head = (self.head + chunk)[:HEAD_BYTES]
        if len(self.head) == HEAD_BYTES and _begins_video(self.head):
            self.patience.reschedule(self.video_deadline)


def _folder(blob: str) -> str:
    return blob[: blob.rindex("/") + 1]


def _begins_video(head: bytes) -> bool:
    return is_video(media_type(head))


def _as_handed_in(task: Task, head: bytes, fetch_s: float) -> Task:
    """Make the task that it would be had it been handed in, with what is left of its time."""
    now = Task()
    now.CopyFrom(task)
    now.ClearField("remote")
    limit = task.execution_timeout
    if _begins_video(head):
        now.video.CopyFrom(task.remote.video)
        limit = task.video_execution_timeout
    now.execution_timeout.CopyFrom(duration(max(nanoseconds(limit) - round(fetch_s * 1e9), 1_000_000)))
    return now


def _with_fetch(timings: bytes, fetch_s: float) -> bytes:
    """Count the time that it took to fetch."""
    message = Timings.FromString(timings)
    for field in (message.fetch, message.total):
        field.CopyFrom(seconds(nanoseconds(field) / 1e9 + fetch_s))
    return message.SerializeToString(deterministic=True)
