"""Frames are told in batches, in order, each once, and soon; too many untold ones hold up the looking."""

from __future__ import annotations

import asyncio
from typing import Any

from dispatch.events import FramesFound
from dispatch.v1.task_pb2 import Task
from myeye.v1.detection_pb2 import Detection, FrameResult
from myeye.v1.event_pb2 import FramesDetected
from myeye.v1.job_pb2 import VideoResult
from worker.attempt import Attempt
from worker.video.telling import BATCH_BYTES, BATCH_FRAMES, MAX_UNTOLD, Telling


class Heard:
    """A journal that confirms when it is let."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[FramesFound] = asyncio.Queue()
        self.confirming = asyncio.Event()
        self.confirming.set()

    async def insist(self, event: FramesFound) -> None:
        self.events.put_nowait(event)
        await self.confirming.wait()

    async def next(self) -> tuple[int, int, list[int]]:
        """Give first, count and the indices of the next event."""
        async with asyncio.timeout(10):
            event = await self.events.get()
        return event.first, event.count, [frame.index for frame in FramesDetected.FromString(event.frames).frames]


def telling(heard: Any, total: int = 0) -> Telling:
    return Telling(heard, Attempt.begin(Task(job_id="job")), VideoResult(width_px=4, frames_total=total))


async def test_first_that_it_was_opened_then_all_that_comes_within_a_moment() -> None:
    heard = Heard()
    frames = telling(heard)
    assert await heard.next() == (0, 0, [])
    for index in range(3):
        await frames.add(FrameResult(index=index))
    assert await heard.next() == (0, 3, [0, 1, 2])
    await frames.add(FrameResult(index=3))
    assert await heard.next() == (3, 1, [3])
    await frames.close()


async def test_a_full_batch_does_not_wait_by_number_or_by_size() -> None:
    heard = Heard()
    frames = telling(heard)
    await heard.next()
    for index in range(2 * BATCH_FRAMES):
        await frames.add(FrameResult(index=index))
    assert [(await heard.next())[:2] for _ in range(2)] == [(0, BATCH_FRAMES), (BATCH_FRAMES, BATCH_FRAMES)]
    large = FrameResult(index=0, detections=[Detection(category="c" * (BATCH_BYTES // 3))])
    for _ in range(5):
        await frames.add(large)
    assert [(await heard.next())[1] for _ in range(2)] == [2, 2]
    video = await frames.finish()
    assert (await heard.next())[1] == 1
    assert (video.frames_done, video.frames_total) == (2 * BATCH_FRAMES + 5, 2 * BATCH_FRAMES + 5)


async def test_a_single_frame_larger_than_a_batch_is_told_too() -> None:
    heard = Heard()
    frames = telling(heard)
    await frames.add(FrameResult(index=0, detections=[Detection(category="c" * 2 * BATCH_BYTES)]))
    await frames.finish()
    assert [await heard.next() for _ in range(2)] == [(0, 0, []), (0, 1, [0])]


async def test_looking_goes_on_while_the_broker_is_slow_but_not_without_end() -> None:
    heard = Heard()
    heard.confirming.clear()
    frames = telling(heard)
    async with asyncio.timeout(10):
        for index in range(MAX_UNTOLD):
            await frames.add(FrameResult(index=index))
    one_more = asyncio.ensure_future(frames.add(FrameResult(index=MAX_UNTOLD)))
    await heard.next()
    assert not one_more.done()
    heard.confirming.set()
    async with asyncio.timeout(10):
        await one_more
    video = await frames.finish()
    assert video.frames_done == MAX_UNTOLD + 1
    told = [await heard.next() for _ in range(heard.events.qsize())]
    assert [index for _, _, indices in told for index in indices] == list(range(MAX_UNTOLD + 1))
    assert [first for first, _, _ in told] == [sum(count for _, count, _ in told[:n]) for n in range(len(told))]


async def test_the_estimate_is_told_until_it_is_passed() -> None:
    heard = Heard()
    frames = telling(heard, total=2)
    for index in range(3):
        await frames.add(FrameResult(index=index))
    await frames.finish()
    events = [heard.events.get_nowait() for _ in range(heard.events.qsize())]
    videos = [VideoResult.FromString(event.video) for event in events]
    assert [(video.frames_done, video.frames_total) for video in videos] == [(0, 2), (3, 3)]
