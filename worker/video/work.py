"""An attempt at a video: its process gives frames, the pool looks at them as at pictures, the log is told in batches.

All videos of a model together have no more frames in the pool than keep the detectors busy, so that a picture never waits behind
more than these few.
"""

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing
from dataclasses import replace
from typing import BinaryIO

from dispatch.codec import nanoseconds
from dispatch.errors import ConfigurationError
from dispatch.events import Succeeded
from dispatch.options import MAX_VIDEO_FRAMES
from dispatch.ports import CHUNK_BYTES
from myeye.v1.detection_pb2 import FrameResult
from myeye.v1.job_pb2 import VideoOptions, VideoResult
from worker.attempt import Attempt
from worker.desk import Desk
from worker.detection import Box, DetectorFailed, DetectOutcome, Stage
from worker.messages import detection_of, request_of, seconds, timings_of
from worker.process import Launch, Process
from worker.sandbox import MEMORY_BYTES
from worker.video.orders import Orders
from worker.video.rejected import VideoRejected
from worker.video.sampling import Sampling
from worker.video.telling import Telling
from worker.video.wire import VIDEO, Drawn, Ended, Finish, Frame, Message, Next, Opened, Rejected, Seen

COMMAND = (sys.executable, "-m", "worker.video.child")
DEFAULT_FPS = 5.0


class VideoWork:
    """Implements `worker.work.Work`."""

    def __init__(self, desk: Desk, attempt: Attempt) -> None:
        self._desk = desk
        self._attempt = attempt
        self._begun_s = time.monotonic()
        self._files = ExitStack()
        self._input = self._file()
        self._annotated = self._file() if attempt.task.annotated_blob else None
        self._process: Process[Message] | None = None
        self._telling: Telling | None = None
        self._opened: Opened | None = None
        self._fetch_s = self._decode_s = self._detect_s = 0.0
        self._annotate_s: float | None = None
        self._frames = 0
        self._held = 0

    @property
    def fetched_bytes(self) -> int | None:
        return self._attempt.fetched_bytes

    async def fetch(self) -> None:
        self._note(Stage.FETCHING)
        begun_s = time.monotonic()
        async with aclosing(self._desk.blobs.read(self._attempt.task.input_blob)) as chunks:
            async for chunk in chunks:
                await asyncio.to_thread(self._input.write, chunk)
        await asyncio.to_thread(self._input.flush)
        self._fetch_s = time.monotonic() - begun_s

    async def do(self, fetch: asyncio.Future[None]) -> Succeeded:
        try:
            async with asyncio.timeout(self._attempt.limit_s):
                await fetch
                await self._look()
        except Exception:
            if self._telling:
                await self._telling.finish()  # what was found before is kept
            raise
        assert self._telling
        video = await self._telling.finish()
        video.frames_total = video.frames_done
        video.annotated = self._annotate_s is not None
        timings = timings_of(
            self._attempt,
            fetch_s=self._fetch_s,
            decode_s=self._decode_s,
            detect_s=self._detect_s,
            annotate_s=self._annotate_s,
            total_s=time.monotonic() - self._begun_s,
        )
        return self._attempt.succeeded(timings, video=video.SerializeToString(deterministic=True))

    async def close(self) -> None:
        if self._telling:
            await self._telling.close()
        if self._process:
            self._process.kill()
            await self._process.close()
        await asyncio.to_thread(self._files.close)
        while self._held:
            self._release()

    def _file(self) -> BinaryIO:
        """Make a file without a name: nothing is left of it, however this worker ends."""
        return self._files.enter_context(tempfile.TemporaryFile(prefix="myeye-video-"))

    async def _look(self) -> None:
        """Look at all frames.

        Raises:
            VideoRejected: with everything told that was found before.
        """
        self._process = await self._start()
        try:
            async with asyncio.TaskGroup() as group:
                looking: _Looking = asyncio.Queue()
                group.create_task(self._hear(looking))
                rejected = await self._give_out(group, looking)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        if rejected:
            raise VideoRejected(rejected.reason, rejected.message)
        if self._annotated:
            await self._keep(self._annotated)

    async def _start(self) -> Process[Message]:
        annotated_fd = self._annotated.fileno() if self._annotated else -1
        orders = Orders(
            socket_fd=-1,
            memory_bytes=MEMORY_BYTES,
            max_pixels=self._desk.max_pixels,
            max_frames=MAX_VIDEO_FRAMES,
            input_fd=self._input.fileno(),
            annotated_fd=annotated_fd,
            sampling=_sampling(self._attempt.task.video),
        )
        try:
            return await Process.start(Launch(orders, COMMAND, VIDEO, "video"))
        except ConfigurationError as error:
            self._attempt.log.error("%s", error)
            raise DetectorFailed("DETECTOR_CRASHED", "the process that decodes the video did not start") from error

    async def _give_out(self, group: asyncio.TaskGroup, looking: _Looking) -> Rejected | None:
        """Have one frame after the other looked at, as many at once as there are places, to the end or to what is wrong."""
        await self._ask()
        while True:
            match await self._receive():
                case Opened() as opened:
                    self._open(opened)
                case Frame() as frame:
                    self._decode_s += frame.decode_s
                    looking.put_nowait((frame.time_s, group.create_task(self._detect(frame))))
                    await self._ask()
                case Ended():
                    looking.put_nowait(None)
                    return None
                case Rejected() as rejected:
                    looking.put_nowait(None)
                    return rejected

    async def _ask(self) -> None:
        """Ask for a frame, once there is a place for it in the pool."""
        await self._desk.frames.acquire()
        self._held += 1
        self._send(Next())

    def _release(self) -> None:
        self._held -= 1
        self._desk.frames.release()

    def _open(self, opened: Opened) -> None:
        self._opened = opened
        video = VideoResult(
            width_px=opened.width_px,
            height_px=opened.height_px,
            duration=None if opened.duration_s is None else seconds(opened.duration_s),
            fps=opened.fps,
            frames_total=opened.frames_total,
        )
        self._telling = Telling(self._desk.view.journal, self._attempt, video)
        self._note(Stage.DETECTING)
        if self._annotated and not opened.annotated:
            self._attempt.log.warning("OpenCV has no codec for the annotated video, there will be none")

    async def _detect(self, frame: Frame) -> DetectOutcome:
        left_s = max(self._begun_s + self._attempt.limit_s - time.monotonic(), 0.001)
        request = request_of(self._attempt.task, frame.picture)
        return await self._desk.pool.detect(request, on_stage=lambda _: None, timeout_s=left_s)

    async def _hear(self, looking: _Looking) -> None:
        """Tell what was found, in the order of the frames."""
        while (one := await looking.get()) is not None:
            time_s, detecting = one
            outcome = await detecting
            assert self._opened
            assert self._telling
            boxes = _enlarged(outcome, self._opened)
            self._detect_s += outcome.detect_s
            found = FrameResult(index=self._frames, time=seconds(time_s), detections=map(detection_of, boxes))
            await self._telling.add(found)
            self._frames += 1
            self._desk.metrics.frame(self._desk.pool.model.name)
            self._note(Stage.DETECTING)
            if self._opened.annotated:
                self._send(Seen(boxes))
            self._release()

    async def _keep(self, annotated: BinaryIO) -> None:
        """Store the annotated video, if there is one."""
        assert self._opened
        if not self._opened.annotated:
            return
        self._note(Stage.ANNOTATING)
        self._send(Finish())
        drawn = await self._receive()
        if not isinstance(drawn, Drawn):
            raise ValueError(f"the video process answers {type(drawn).__name__} to Finish")
        begun_s = time.monotonic()
        await self._desk.blobs.write(self._attempt.task.annotated_blob, _chunks(annotated))
        self._annotate_s = drawn.annotate_s + time.monotonic() - begun_s

    def _note(self, stage: Stage) -> None:
        self._attempt.trail.enter(stage)
        total = max(self._opened.frames_total, self._frames) if self._opened else 0
        self._desk.progress.note(self._attempt.claim, stage, frames_done=self._frames, frames_total=total)

    def _send(self, message: Message) -> None:
        assert self._process
        self._process.send(message)

    async def _receive(self) -> Message:
        """Wait for what the process says.

        Raises:
            DetectorFailed: it is gone.
        """
        assert self._process
        message = await self._process.receive()
        if message is None:
            await self._process.close()
            self._attempt.log.warning("the video process %s; it last said:\n%s", self._process.fate, self._process.last_words)
            raise DetectorFailed("DETECTOR_CRASHED", f"the process that decodes the video {self._process.fate}")
        return message


_Looking = asyncio.Queue[tuple[float, asyncio.Task[DetectOutcome]] | None]
"""Frames under way, in order: the time of each in the video, in seconds, and what will be found in it. None after the last."""


def _sampling(options: VideoOptions) -> Sampling:
    return Sampling(
        start_s=nanoseconds(options.start) / 1e9,
        end_s=nanoseconds(options.end) / 1e9 if options.HasField("end") else math.inf,
        max_fps=options.max_fps if options.HasField("max_fps") else DEFAULT_FPS,
    )


def _enlarged(outcome: DetectOutcome, opened: Opened) -> tuple[Box, ...]:
    """Scale the boxes of a frame to the size of the video."""
    across, down = opened.width_px / outcome.width_px, opened.height_px / outcome.height_px
    return tuple(_stretch(box, across, down) for box in outcome.boxes)


def _stretch(box: Box, across: float, down: float) -> Box:
    left, right = (round(each * across) for each in (box.x_px, box.x_px + box.width_px))
    top, bottom = (round(each * down) for each in (box.y_px, box.y_px + box.height_px))
    return replace(box, x_px=left, y_px=top, width_px=right - left, height_px=bottom - top)


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    await asyncio.to_thread(file.seek, 0)
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk
