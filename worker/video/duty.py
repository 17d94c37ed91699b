"""What a video process does: frames out as pictures when asked for, boxes in to be drawn."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from worker.line import Line
from worker.picture import MIN_REDUCED_SIDE_PX
from worker.video.orders import Orders
from worker.video.reader import Frame, Pixels, Reader
from worker.video.rejected import VideoRejected
from worker.video.wire import Drawn, Ended, Finish, Message, Next, Opened, Rejected, Seen
from worker.video.wire import Frame as Given
from worker.video.writer import Writer


def work(line: Line[Message], orders: Orders) -> None:
    """Answer until the worker closes the line, or the video is found to be wrong."""
    try:
        if isinstance(line.receive(), Next):
            _Duty(line, orders).answer()
    except VideoRejected as error:
        line.send(Rejected(error.reason, error.message))
    while line.receive() is not None:
        pass


class _Duty:
    def __init__(self, line: Line[Message], orders: Orders) -> None:
        """Open the video and tell of it.

        Raises:
            VideoRejected: it cannot be looked at.
        """
        self._line = line
        self._orders = orders
        self._reader = Reader(Path(f"/proc/self/fd/{orders.input_fd}"), max_pixels=orders.max_pixels)
        self._writer = self._open_writer()
        self._unseen: deque[Pixels] = deque()
        """Frames given whose boxes are still to come."""
        self._annotate_s = 0.0
        header = self._reader.header
        expected = orders.sampling.estimate(header.duration_s, header.fps)
        if expected > orders.max_frames:
            advice = "ask for a part of it, or for a lower max_fps"
            text = f"{expected} frames of the video would be looked at, more than {orders.max_frames}; {advice}"
            raise VideoRejected("VIDEO_TOO_LONG", text)
        size = (header.width_px, header.height_px)
        line.send(Opened(*size, header.fps, header.duration_s, expected, annotated=self._writer is not None))

    def answer(self) -> None:
        """Give what is asked for; the first frame is asked for already."""
        frames = self._frames()
        message: Message | None = Next()
        while message is not None:
            match message:
                case Next():
                    self._line.send(next(frames, Ended()))
                case Seen(boxes) if self._writer:
                    begun_s = time.perf_counter()
                    self._writer.write(self._unseen.popleft(), boxes)
                    self._annotate_s += time.perf_counter() - begun_s
                case Finish() if self._writer:
                    begun_s = time.perf_counter()
                    size = self._writer.finish()
                    self._line.send(Drawn(size, self._annotate_s + time.perf_counter() - begun_s))
            message = self._line.receive()

    def _frames(self) -> Iterator[Given]:
        begun_s = time.perf_counter()
        for count, frame in enumerate(self._reader.frames(self._orders.sampling)):
            if count == self._orders.max_frames:
                raise VideoRejected("VIDEO_TOO_LONG", f"the video has more than {count} frames to look at")
            picture = _picture(frame)
            if self._writer:
                self._unseen.append(frame.pixels)
            yield Given(frame.time_s, time.perf_counter() - begun_s, picture)
            begun_s = time.perf_counter()

    def _open_writer(self) -> Writer | None:
        if self._orders.annotated_fd < 0:
            return None
        header, asked = self._reader.header, self._orders.sampling.max_fps
        writer = Writer(self._orders.annotated_fd, header.width_px, header.height_px, min(asked, header.fps or asked))
        return writer if writer.usable else None


def _picture(frame: Frame) -> bytes:
    """Make a picture for a detector: as small as costs no accuracy, and not compressed, for it goes from hand to hand here."""
    height_px, width_px = frame.pixels.shape[:2]
    scale = MIN_REDUCED_SIDE_PX / min(height_px, width_px)
    pixels = frame.pixels
    if scale < 1:
        size = max(1, round(width_px * scale)), max(1, round(height_px * scale))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, encoded = cv2.imencode(".bmp", pixels)
    return encoded.tobytes()
