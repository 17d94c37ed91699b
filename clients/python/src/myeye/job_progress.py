"""How far a job is, each time that it gets further."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeAlias

from myeye.v1.detection_service_pb2 import WatchResponse
from myeye.v1.event_pb2 import Event
from myeye.v1.job_pb2 import Job, Progress, State, VideoResult

JobProgress: TypeAlias = Callable[[Progress], None]
"""Is told how many of a job's items are done, have failed, and there are; and of its videos, how many frames."""


async def tell_progress(updates: AsyncGenerator[WatchResponse, None], told: JobProgress) -> None:
    """Follow a job that is watched from a snapshot on to its end, and tell its progress: as it is, and whenever it is more."""
    count = Count()
    async with aclosing(updates):
        async for update in updates:
            if update.HasField("snapshot"):
                count.begin(update.snapshot)
            elif not (update.HasField("event") and count.add(update.event)):
                continue
            told(count.progress())


class Count:
    """Counts items and frames."""

    def __init__(self) -> None:
        self._items = Progress()
        self._videos: dict[int, VideoResult] = {}

    def begin(self, job: Job) -> None:
        """Begin with what was done before."""
        self._items = job.progress
        self._videos = {item.index: item.video for item in job.items if item.HasField("video")}

    def add(self, event: Event) -> bool:
        """Count an event, and say whether it changes anything."""
        match event.WhichOneof("kind"):
            case "item_finished" if event.item_finished.item.state == State.STATE_SUCCEEDED:
                self._items.items_done += 1
            case "item_finished":
                self._items.items_failed += 1
            case "frames_detected":
                self._videos[event.frames_detected.item] = event.frames_detected.video
            case _:
                return False
        return True

    def progress(self) -> Progress:
        """Give the progress as it is now."""
        items, videos = self._items, self._videos.values()
        return Progress(
            items_done=items.items_done,
            items_failed=items.items_failed,
            items_total=items.items_total,
            frames_done=sum(video.frames_done for video in videos),
            frames_total=sum(video.frames_total for video in videos),
        )
