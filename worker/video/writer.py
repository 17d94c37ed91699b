"""The annotated video: WebM with VP8, which every browser plays and OpenCV's own FFmpeg writes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from worker.annotate import draw
from worker.detection import Box
from worker.video.container import inspect
from worker.video.reader import Pixels

CODEC = "VP80"
MAX_SIDE_PX = 1280
"""A larger video is drawn smaller: encoding one 1280x720 frame takes three times as long as detecting in it."""
DEFAULT_FPS = 25.0


class Writer:
    """Frames with boxes to an unnamed file, of which `file` is a descriptor."""

    def __init__(self, file: int, width_px: int, height_px: int, fps: float, codec: str = CODEC) -> None:
        scale = min(1.0, MAX_SIDE_PX / max(width_px, height_px))
        self._scale = scale
        self._size = max(2, round(width_px * scale) & ~1), max(2, round(height_px * scale) & ~1)  # VP8 wants even sides
        self._path = f"/proc/self/fd/{file}"
        with tempfile.TemporaryDirectory(prefix="myeye-video-") as folder:
            named = Path(folder, "annotated.webm")  # the name's ending is what says WebM to OpenCV
            named.symlink_to(self._path)
            fourcc = cv2.VideoWriter.fourcc(*codec)
            self._writer = cv2.VideoWriter(str(named), cv2.CAP_FFMPEG, fourcc, fps or DEFAULT_FPS, self._size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.release()

    @property
    def usable(self) -> bool:
        """Whether the codec is there."""
        return bool(self._writer.isOpened())

    def write(self, pixels: Pixels, boxes: Iterable[Box]) -> None:
        """Draw the boxes on a frame and append it."""
        canvas = np.ascontiguousarray(pixels)
        if canvas.shape[1::-1] != self._size:
            canvas = np.asarray(cv2.resize(canvas, self._size, interpolation=cv2.INTER_AREA), np.uint8)
        draw(canvas, [self._scaled(box) for box in boxes])
        self._writer.write(canvas)

    def finish(self) -> int:
        """Complete the file and give its size in bytes.

        Raises:
            OSError: it could not be written whole: the disk is full.
        """
        self._writer.release()
        with Path(self._path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not size or not inspect(file).complete:
                raise OSError(f"the annotated video was not written whole to {tempfile.gettempdir()}")
        return size

    def _scaled(self, box: Box) -> Box:
        x_px, y_px, width_px, height_px = (
            round(each * self._scale) for each in (box.x_px, box.y_px, box.width_px, box.height_px)
        )
        return Box(box.category, box.score, x_px, y_px, max(1, width_px), max(1, height_px))
