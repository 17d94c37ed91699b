"""The frames of a video, from the events that tell them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from myeye.v1.detection_pb2 import Detection, FrameResult
from myeye.v1.detection_service_pb2 import WatchResponse


async def frames_of(updates: AsyncGenerator[WatchResponse, None], item: int) -> AsyncGenerator[FrameResult, None]:
    """Yield the frames of one item of a job that is watched from its beginning, until the item's end."""
    async with aclosing(updates):
        async for update in updates:
            event = update.event
            if event.HasField("frames_detected") and event.frames_detected.item == item:
                for frame in event.frames_detected.frames:
                    yield frame
            if event.HasField("item_finished") and event.item_finished.item.index == item:
                return


@dataclass(frozen=True, slots=True)
class Sighting:
    """In how many frames of a video a category was seen, with which best score, and when first and last, in seconds."""

    category: str
    frames: int
    score: float
    first_s: float
    last_s: float


class Sightings:
    """The categories of a video, counted frame by frame."""

    def __init__(self) -> None:
        self._by_category: dict[str, Sighting] = {}

    def __iter__(self) -> Iterator[Sighting]:
        """Yield them, those of the most frames first."""
        return iter(sorted(self._by_category.values(), key=lambda seen: (-seen.frames, seen.category)))

    def add(self, frame: FrameResult) -> None:
        """Count one frame. The first of a new attempt begins anew."""
        if frame.index == 0:
            self._by_category.clear()
        time_s = frame.time.ToTimedelta().total_seconds()
        best: dict[str, Detection] = {}
        for found in reversed(frame.detections):  # best first
            best[found.category] = found
        for category, found in best.items():
            seen = self._by_category.get(category, Sighting(category, 0, 0.0, time_s, time_s))
            score = max(seen.score, found.score)
            self._by_category[category] = replace(seen, frames=seen.frames + 1, score=score, last_s=time_s)
