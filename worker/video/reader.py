"""A video file to frames: OpenCV's FFmpeg, stepping through and decoding to pixels only what is wanted."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.video.container import Kind, inspect
from worker.video.rejected import VideoRejected
from worker.video.sampling import Sampling

Pixels = NDArray[np.uint8]
"""Height x width x 3, BGR, as OpenCV has them."""

TRIES = 64
"""Steps that may fail one after the other: frames before the first whole one, or, behind the last good one, damage."""
SEEK_FROM_S = 10.0
"""A later start is sought; an earlier one is stepped to, which is exact in every file."""
SEEK_MARGIN_S = 5.0
MAX_DURATION_S = 1e7
"""A video that says to be longer does not know."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a video says of itself. The size is that of the upright frame; `fps` 0 and `duration_s` None: it does not say."""

    width_px: int
    height_px: int
    fps: float
    duration_s: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame that is looked at, upright; `time_s` counts from the video's first frame."""

    time_s: float
    pixels: Pixels


class Reader:
    """A video that is open. One pass, forward."""

    def __init__(self, path: Path, *, max_pixels: int) -> None:
        """Open a video.

        Raises:
            VideoRejected: it cannot be looked at.
        """
        with path.open("rb") as file:
            self._container = inspect(file)
        self._path = path
        self._capture = self._open()
        self.header = _header(self._capture)
        if (count := self.header.width_px * self.header.height_px) > max_pixels:
            size = f"{self.header.width_px}x{self.header.height_px}"
            raise VideoRejected("IMAGE_TOO_LARGE", f"a frame has {size} = {count} pixels, more than {max_pixels}")

    def frames(self, sampling: Sampling) -> Iterator[Frame]:
        """Yield the frames that are wanted, in order.

        Raises:
            VideoRejected: there is none, or the video is damaged or ends too early, maybe after some frames.
        """
        steps = _Steps(self._capture, self.header.fps)
        first_s = self._first(steps)
        if sampling.start_s >= SEEK_FROM_S:
            steps = self._seek(first_s + sampling.start_s)
        taken = -1
        while steps.time_s is not None:
            time_s = steps.time_s - first_s
            if sampling.over(time_s):
                return
            number = sampling.step(time_s)
            if number is not None and number > taken:
                taken = number
                yield Frame(time_s, self._pixels())
            steps.forward()
        if taken < 0:
            raise VideoRejected("VIDEO_INVALID", f"the video has no frame from {sampling.start_s:g} s on")
        self._check_end(steps.last_s - first_s, steps.count)

    def close(self) -> None:
        self._capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture, said = _listening(lambda: cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1]))
        if capture.isOpened():
            return capture
        if "Could not find decoder" in said or "Could not open codec" in said:
            raise VideoRejected("VIDEO_UNSUPPORTED", "the video is coded in a way that cannot be decoded here")
        if not self._container.complete:
            raise VideoRejected(
                "VIDEO_TRUNCATED", "the video is not complete: what is needed to read it lies in the missing part"
            )
        raise VideoRejected("VIDEO_INVALID", "the video is damaged, or there are no pictures in it")

    def _first(self, steps: _Steps) -> float:
        """Step to the first frame and give its time."""
        steps.forward()
        if steps.time_s is not None:
            return steps.time_s
        if not self._container.complete:
            raise VideoRejected("VIDEO_TRUNCATED", "the video ends before its first frame")
        raise VideoRejected("VIDEO_UNSUPPORTED", "no frame of the video can be decoded here")

    def _seek(self, start_s: float) -> _Steps:
        """Go to a place before a time. A seek that leads beyond it, or nowhere, is given up for stepping from the beginning."""
        self._capture.set(cv2.CAP_PROP_POS_MSEC, max(0.0, start_s - SEEK_MARGIN_S) * 1000)
        sought = _Steps(self._capture, self.header.fps)
        sought.count = None
        sought.forward()
        if sought.time_s is not None and sought.time_s <= start_s:
            return sought
        self._capture.release()
        self._capture = self._open()
        steps = _Steps(self._capture, self.header.fps)
        steps.forward()
        return steps

    def _pixels(self) -> Pixels:
        try:
            there, pixels = self._capture.retrieve()
        except (cv2.error, MemoryError) as error:
            raise VideoRejected("IMAGE_TOO_LARGE", "a frame needs more memory than there is for it") from error
        if not there or pixels.ndim != 3:
            raise VideoRejected("VIDEO_TRUNCATED", "a frame is damaged")
        return np.asarray(pixels, np.uint8)

    def _check_end(self, last_s: float, count: int | None) -> None:
        """Compare where the frames ended, and how many there were if all were stepped through, with what was promised.

        The length counts the sound, which may be longer, and so it is believed only of a file that is not whole. AVI and MP4
        count frames. Some of an MP4's may be edited away, but then its movie ends where they do; a live one's are not counted.
        """
        container, header = self._container, self.header
        if header.duration_s is None:
            missing = not container.complete
        elif not container.complete:
            missing = last_s + 1.5 / header.fps < header.duration_s
        else:
            end_s = math.inf if container.kind is Kind.AVI else container.movie_s
            counted = count is not None and count + 2 < header.duration_s * header.fps
            missing = counted and end_s is not None and last_s + 2.5 / header.fps < end_s
        if missing:
            raise VideoRejected("VIDEO_TRUNCATED", f"the video ends at {last_s:.2f} s, before its end")


class _Steps:
    """Where a capture stands. `time_s` is that of the frame at hand, None behind the last; `last_s` is that of the last one.

    `count` counts the frames; None after a seek.
    """

    def __init__(self, capture: cv2.VideoCapture, fps: float) -> None:
        self._capture = capture
        self._frame_s = 1 / fps if fps > 0 else 0.04
        self._begun = False
        self.count: int | None = 0
        self.time_s: float | None = None
        self.last_s = -self._frame_s

    def forward(self) -> None:
        """Step to the next frame.

        Raises:
            VideoRejected: there are frames behind one that cannot be decoded.
        """
        failed = 0
        while not self._capture.grab():
            failed += 1
            if failed == TRIES:
                self.time_s = None
                return
        if failed and self._begun:
            raise VideoRejected("VIDEO_TRUNCATED", f"the video is damaged after {self.last_s:.2f} s")
        time_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if not math.isfinite(time_s) or (self._begun and time_s <= self.last_s):
            time_s = self.last_s + self._frame_s  # a file without times, or with wrong ones
        self._begun = True
        if self.count is not None:
            self.count += 1
        self.time_s = self.last_s = time_s


def _header(capture: cv2.VideoCapture) -> Header:
    fps, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    fps = fps if math.isfinite(fps) and 0 < fps <= 1000 else 0.0
    duration_s = count / fps if fps and math.isfinite(count) and 0 < count / fps <= MAX_DURATION_S else None
    width_px, height_px = (int(capture.get(each)) for each in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if width_px < 1 or height_px < 1:
        raise VideoRejected("VIDEO_INVALID", "the video does not say how large it is")
    return Header(width_px, height_px, fps, duration_s)


def _listening(open_capture: Callable[[], cv2.VideoCapture]) -> tuple[cv2.VideoCapture, str]:
    """Open, and hear what OpenCV prints about it: it tells why it cannot in no other way."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            capture = open_capture()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        said.seek(0)
        text = said.read().decode(errors="replace")
    sys.stderr.write(text)
    return capture, text
