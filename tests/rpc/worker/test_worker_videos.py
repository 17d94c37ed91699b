"""Videos in the worker: a real video process, and a detector that obeys."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import cv2
import psutil
import pytest

from dispatch.codec import duration
from dispatch.events import FramesFound
from dispatch.lifecycle import FramesDetected, Job, State
from dispatch.ports import Kind
from dispatch.v1.signal_pb2 import Signal
from myeye.v1.event_pb2 import FramesDetected as Told
from myeye.v1.job_pb2 import VideoOptions, VideoResult
from worker.detection import DetectorFailed
from worker.video import work

LIMIT_S = 20
ALL = VideoOptions(max_fps=60)
CRASH = DetectorFailed("DETECTOR_CRASHED", "the detector ended")


@pytest.fixture
def clip(video_at: Callable[..., Path], tmp_path: Path) -> bytes:
    """A second of 10 frames."""
    return video_at(tmp_path / "clip.webm", codec="VP80").read_bytes()


def told(job: Job) -> list[Told]:
    """What the log told of frames, entry by entry."""
    return [Told.FromString(entry.frames) for entry in job.history if isinstance(entry, FramesDetected)]


def video_of(job: Job) -> VideoResult:
    return VideoResult.FromString(job.items[0].video)


def reason(job: Job) -> str:
    failure = job.items[0].failure
    return failure.reason if failure else ""


def video_processes() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if "worker.video.child" in " ".join(command(child))]


def command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):  # it has just ended
        return []


async def begun(pool: Any, frames: int) -> None:
    """Wait until so many frames have come to the detector."""
    async with asyncio.timeout(LIMIT_S):
        for _ in range(frames):
            await pool.began.acquire()


async def gone() -> None:
    """Wait until no video process is left."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            if not video_processes():
                return
            await asyncio.sleep(0.01)


async def test_a_video_is_opened_then_told_frame_by_frame_and_succeeds(site: Any, pool_of: Any, clip: bytes) -> None:
    task = await site.accept(picture=clip, video=ALL)
    await site.publish(task)
    async with site.worker(pool_of(detectors=2)):
        job = await site.ended(task.job_id)
    assert job.state is State.SUCCEEDED, job.items[0].failure
    opened, *batches = told(job)
    assert len(opened.frames) == 0
    frames = [frame for batch in batches for frame in batch.frames]
    assert [frame.index for frame in frames] == list(range(10))
    assert [round(frame.time.ToMilliseconds(), -1) for frame in frames] == list(range(0, 1000, 100))
    box = frames[3].detections[0].bounding_box  # the toy says 1, 2, 30, 40 in 640x480, which the video has half of
    assert (box.x_px, box.y_px, box.width_px, box.height_px) == (0, 1, 16, 20)
    video = video_of(job)
    assert (video.width_px, video.height_px, video.fps, video.frames_done, video.frames_total) == (320, 240, 10.0, 10, 10)
    assert (video.annotated, job.items[0].result) == (False, b"")
    assert await site.depths(Kind.VIDEO) == [0, 0, 0]


async def test_frames_are_told_while_the_video_still_runs(site: Any, pool_of: Any, clip: bytes) -> None:
    gate = asyncio.Event()
    task = await site.accept(picture=clip, video=ALL)
    await site.publish(task)
    async with site.worker(pool_of(*[None] * 6, gate)):
        found = await site.until(lambda: [each for each in site.told(FramesFound, task.job_id) if each.event.count])
        assert found[0].event.count == 6
        assert found[0].after.items[0].state is State.RUNNING
        gate.set()
        job = await site.ended(task.job_id)
    assert (job.state, video_of(job).frames_done) == (State.SUCCEEDED, 10)


async def test_a_part_of_the_video_at_fewer_frames(site: Any, pool_of: Any, clip: bytes) -> None:
    part = VideoOptions(start=duration(200_000_000), end=duration(800_000_000), max_fps=5)
    task = await site.accept(picture=clip, video=part)
    await site.publish(task)
    async with site.worker(pool_of()):
        job = await site.ended(task.job_id)
    frames = [frame for batch in told(job) for frame in batch.frames]
    assert [round(frame.time.ToMilliseconds(), -1) for frame in frames] == [200, 400, 600]
    assert (video_of(job).frames_total, video_of(job).duration.ToMilliseconds()) == (3, 1000)


async def test_progress_counts_the_frames(site: Any, pool_of: Any, clip: bytes) -> None:
    gate = asyncio.Event()
    heard: asyncio.Queue[tuple[int, int]] = asyncio.Queue()

    async def listen(signals: AsyncIterator[bytes]) -> None:
        async for body in signals:
            progress = Signal.FromString(body).run_progress
            heard.put_nowait((progress.frames_done, progress.frames_total))

    listening = asyncio.create_task(listen(site.broker.signals.subscribe()))
    task = await site.accept(picture=clip, video=ALL)
    await site.publish(task)
    async with site.worker(pool_of(*[None] * 4, gate)), asyncio.timeout(LIMIT_S):
        while await heard.get() != (4, 10):
            pass
        gate.set()
        await site.ended(task.job_id)
    listening.cancel()


async def test_a_cancelled_video_stops_between_frames_and_leaves_nothing(site: Any, pool_of: Any, clip: bytes) -> None:
    pool = pool_of(*[None] * 3, asyncio.Event())
    task = await site.accept(picture=clip, video=ALL)
    await site.publish(task)
    async with site.worker(pool):
        await begun(pool, 4)
        await site.cancel(task.job_id)
        await gone()
        after = await site.accept(picture=clip, video=ALL)
        await site.publish(after)
        assert (await site.ended(after.job_id)).state is State.SUCCEEDED, "its places in the pool are free again"
    assert site.journal.fold.jobs[task.job_id].state is State.CANCELLED


async def test_a_file_cut_short_fails_and_keeps_what_was_found(
    site: Any, pool_of: Any, video_at: Callable[..., Path], tmp_path: Path
) -> None:
    clip = video_at(tmp_path / "clip.avi", codec="MJPG").read_bytes()
    task = await site.accept(picture=clip[: len(clip) // 2], video=ALL)
    await site.publish(task)
    async with site.worker(pool_of()):
        job = await site.ended(task.job_id)
    assert (job.state, reason(job), job.items[0].attempt) == (State.FAILED, "VIDEO_TRUNCATED", 1)
    done = video_of(job).frames_done
    assert 2 <= done < 10
    assert sum(len(batch.frames) for batch in told(job)) == done


async def test_what_is_no_video_fails_at_once(site: Any, pool_of: Any) -> None:
    pool = pool_of()
    task = await site.accept(picture=b"#EXTM3U\nhttp://127.0.0.1:1/\n", video=ALL)
    await site.publish(task)
    async with site.worker(pool):
        job = await site.ended(task.job_id)
    assert (reason(job), job.items[0].video, pool.requests) == ("VIDEO_UNSUPPORTED", b"", [])


async def test_too_many_frames_are_refused_before_the_first_is_looked_at(
    site: Any, pool_of: Any, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for most, state in ((9, State.FAILED), (10, State.SUCCEEDED)):
        monkeypatch.setattr(work, "MAX_VIDEO_FRAMES", most)
        pool = pool_of()
        task = await site.accept(picture=clip, video=ALL)
        await site.publish(task)
        async with site.worker(pool):
            job = await site.ended(task.job_id)
        assert job.state is state
        if state is State.FAILED:
            assert (reason(job), pool.requests, job.items[0].video) == ("VIDEO_TOO_LONG", [], b"")


async def test_a_detector_that_crashes_over_a_frame_makes_a_new_attempt_that_begins_anew(
    site: Any, pool_of: Any, clip: bytes
) -> None:
    task = await site.accept(picture=clip, video=ALL)
    await site.publish(task)
    async with site.worker(pool_of(None, None, CRASH)):
        job = await site.ended(task.job_id)
    assert (job.state, job.items[0].attempt, video_of(job).frames_done) == (State.SUCCEEDED, 2, 10)
    attempts = [entry.attempt for entry in job.history if isinstance(entry, FramesDetected)]
    assert attempts == sorted(attempts)
    indices = [frame.index for batch in told(job) for frame in batch.frames]
    assert indices[-10:] == list(range(10))


@pytest.mark.parametrize(("number", "text"), [(signal.SIGSEGV, "SIGSEGV"), (signal.SIGKILL, "SIGKILL")])
async def test_a_video_process_that_dies_makes_a_new_attempt(
    site: Any, pool_of: Any, clip: bytes, number: signal.Signals, text: str
) -> None:
    gate = asyncio.Event()
    pool = pool_of(None, gate)
    task = await site.accept(picture=clip, video=ALL)
    await site.publish(task)
    async with site.worker(pool):
        await begun(pool, 2)
        video_processes()[0].send_signal(number)
        gate.set()
        job = await site.ended(task.job_id)
    retrying = [entry.failure for entry in job.history if hasattr(entry, "next_attempt_ns")]
    assert [failure.reason for failure in retrying] == ["DETECTOR_CRASHED"]
    assert text in retrying[0].message
    assert (job.state, video_of(job).frames_done) == (State.SUCCEEDED, 10)


async def test_a_video_process_that_hangs_is_ended_at_the_time_limit(site: Any, pool_of: Any, clip: bytes) -> None:
    gate = asyncio.Event()
    pool = pool_of(None, gate)
    task = await site.accept(picture=clip, video=ALL, max_attempts=1)
    task.execution_timeout.CopyFrom(duration(3_000_000_000))
    await site.publish(task)
    async with site.worker(pool):
        await begun(pool, 2)
        video_processes()[0].suspend()
        gate.set()
        job = await site.ended(task.job_id)
        await gone()
    assert (job.state, reason(job)) == (State.FAILED, "EXECUTION_TIMEOUT")
    assert video_of(job).frames_done >= 1, "what was found is kept"


async def test_an_annotated_video_is_stored_with_every_frame(site: Any, pool_of: Any, clip: bytes, tmp_path: Path) -> None:
    task = await site.accept(picture=clip, video=VideoOptions(max_fps=5), annotate=True)
    await site.publish(task)
    async with site.worker(pool_of()):
        job = await site.ended(task.job_id)
    assert (job.state, video_of(job).annotated) == (State.SUCCEEDED, True)
    drawn = tmp_path / "drawn.webm"
    drawn.write_bytes(await site.blobs.get(task.annotated_blob))
    capture = cv2.VideoCapture(str(drawn))
    assert [capture.get(each) for each in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)] == [
        5,
        320,
        240,
    ]
    assert sum(1 for _ in itertools.takewhile(lambda _: capture.grab(), itertools.count())) == 5


async def test_one_video_leaves_places_to_pictures(site: Any, pool_of: Any, clip: bytes) -> None:
    gate = asyncio.Event()
    pool = pool_of(gate, gate, None)
    video, picture = await site.accept(picture=clip, video=ALL), await site.accept()
    await site.publish(video)
    async with site.worker(pool):
        await begun(pool, 2)
        await site.publish(picture)
        assert (await site.ended(picture.job_id)).state is State.SUCCEEDED
        assert len(pool.requests) == 3, "no more than two frames were on their way"
        gate.set()
        assert (await site.ended(video.job_id)).state is State.SUCCEEDED


async def test_a_video_that_does_not_end_in_time_is_handed_back(site: Any, pool_of: Any, clip: bytes) -> None:
    pool = pool_of(None, asyncio.Event())
    task = await site.accept(picture=clip, video=ALL)
    await site.publish(task)
    async with site.worker(pool, drain_s=0.0) as stop:
        await begun(pool, 2)
        stop.set()
        await gone()
    async with site.worker(pool_of(), name="w2"):
        job = await site.ended(task.job_id)
    assert (job.state, job.items[0].worker, video_of(job).frames_done) == (State.SUCCEEDED, "w2", 10)
