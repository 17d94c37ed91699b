"""The frames of a running video, told to the log in batches while the next ones are looked at."""

from __future__ import annotations

import asyncio
from collections import deque

from dispatch.journal import Journal
from myeye.v1.detection_pb2 import FrameResult
from myeye.v1.event_pb2 import FramesDetected
from myeye.v1.job_pb2 import VideoResult
from worker.attempt import Attempt

BATCH_FRAMES = 64
BATCH_BYTES = 64 * 1024
BATCH_S = 1.0
"""How long a frame may wait for others to be told with. So histories are short, events small, and watchers up to date."""
MAX_UNTOLD = 512
"""Frames that may wait for a broker that does not answer, before looking at more has to wait too."""


class Telling:
    """Tells frames in order, each once. `video` is what is known of the video, its frames counted as they are told."""

    def __init__(self, journal: Journal, attempt: Attempt, video: VideoResult) -> None:
        self._journal = journal
        self._attempt = attempt
        self._video = video
        self._untold: deque[FrameResult] = deque()
        self._bytes = 0
        self._told = 0
        self._ending = False
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._tell())

    async def add(self, frame: FrameResult) -> None:
        """Take in the next frame; wait when too many are untold."""
        async with self._news:
            await self._news.wait_for(lambda: len(self._untold) < MAX_UNTOLD)
            self._untold.append(frame)
            self._bytes += frame.ByteSize()
            self._news.notify_all()

    async def finish(self) -> VideoResult:
        """Return once everything is told, and give the video as far as it was looked at."""
        async with self._news:
            self._ending = True
            self._news.notify_all()
        await self._task
        return self._video

    async def close(self) -> None:
        """Tell no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _tell(self) -> None:
        await self._append([])
        while batch := await self._batch():
            await self._append(batch)

    async def _batch(self) -> list[FrameResult]:
        """Wait until it is worth an event; none means the end."""
        async with self._news:
            await self._news.wait_for(lambda: self._untold or self._ending)
            try:
                async with asyncio.timeout(BATCH_S):
                    await self._news.wait_for(self._full)
            except TimeoutError:
                pass
            batch: list[FrameResult] = []
            size = 0
            while self._untold and len(batch) < BATCH_FRAMES and (not batch or size + self._untold[0].ByteSize() <= BATCH_BYTES):
                batch.append(self._untold.popleft())
                size += batch[-1].ByteSize()
            self._bytes -= size
            self._news.notify_all()
            return batch

    def _full(self) -> bool:
        return self._ending or len(self._untold) >= BATCH_FRAMES or self._bytes >= BATCH_BYTES

    async def _append(self, batch: list[FrameResult]) -> None:
        first = self._told
        self._told += len(batch)
        self._video.frames_done = self._told
        self._video.frames_total = max(self._video.frames_total, self._told)
        frames = FramesDetected(frames=batch).SerializeToString(deterministic=True)
        video = self._video.SerializeToString(deterministic=True)
        await self._journal.insist(self._attempt.frames_found(first, len(batch), frames, video))
