"""Whatever is handed in as a video, through the process that decodes it: frames, or a refusal, or at worst its own end."""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import mutated
from worker.process import Launch, Process
from worker.sandbox import MEMORY_BYTES
from worker.video.orders import Orders
from worker.video.sampling import Sampling
from worker.video.wire import VIDEO, Ended, Finish, Frame, Message, Next, Opened, Rejected, Seen
from worker.video.work import COMMAND

MAX_PIXELS = 100_000
MAX_FRAMES = 50
LIMIT_S = 60.0
REASONS = ("VIDEO_INVALID", "VIDEO_TRUNCATED", "VIDEO_TOO_LONG", "VIDEO_UNSUPPORTED", "IMAGE_TOO_LARGE")
FEW = settings(max_examples=settings.default.max_examples // 25, suppress_health_check=[HealthCheck.too_slow])
"""Each starts a process."""


@pytest.fixture(scope="module")
def originals(video_at: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Sequence[bytes]:
    folder = tmp_path_factory.mktemp("videos")
    kinds = (("mp4", "mp4v"), ("mov", "MJPG"), ("mkv", "mp4v"), ("webm", "VP80"), ("avi", "MJPG"))
    return [video_at(folder / f"{codec}.{ending}", codec=codec, frames=4, size=(64, 48)).read_bytes() for ending, codec in kinds]


async def look_at(data: bytes, start_s: float, end_s: float) -> Message | None:
    """Ask for frame after frame, with drawing; give the last word, None if the process ended without one."""
    with tempfile.TemporaryFile() as given_file, tempfile.TemporaryFile() as drawn:
        given_file.write(data)
        given_file.flush()
        sampling = Sampling(start_s, end_s, 60.0)
        orders = Orders(-1, MEMORY_BYTES, MAX_PIXELS, MAX_FRAMES, given_file.fileno(), drawn.fileno(), sampling)
        process: Process[Message] = await Process.start(Launch(orders, COMMAND, VIDEO, "video process"))
        try:
            async with asyncio.timeout(LIMIT_S):
                last = await converse(process)
            if last is None:
                await process.close()
                assert "was ended by SIG" in process.fate, process.last_words
            return last
        finally:
            process.kill()
            await process.close()


async def converse(process: Process[Message]) -> Message | None:
    frames = 0
    process.send(Next())
    while (message := await process.receive()) is not None:
        match message:
            case Opened(width_px, height_px):
                assert 0 < width_px * height_px <= MAX_PIXELS
            case Frame(time_s, _, picture):
                frames += 1
                assert frames <= MAX_FRAMES
                assert math.isfinite(time_s)
                assert picture.startswith(b"BM")
                process.send(Seen(()))
                process.send(Next())
            case Ended():
                process.send(Finish())
            case _:
                return message
    return None


async def test_every_original_is_looked_at_to_its_end(originals: Sequence[bytes]) -> None:
    for last in await asyncio.gather(*(look_at(data, 0.0, math.inf) for data in originals[:2])):
        assert type(last).__name__ == "Drawn"


@FEW
@given(data=st.data(), start_s=st.sampled_from([0.0, 0.0, 0.2, 11.0]), end_s=st.sampled_from([math.inf, 0.3]))
async def test_a_damaged_video_is_looked_at_or_refused(
    originals: Sequence[bytes], data: st.DataObject, start_s: float, end_s: float
) -> None:
    last = await look_at(data.draw(mutated(originals, near=300)), start_s, end_s)
    assert not isinstance(last, Rejected) or last.reason in REASONS
