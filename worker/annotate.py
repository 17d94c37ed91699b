"""Boxes and labels drawn on a picture."""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.detection import Box, PictureRejected
from worker.picture import Pixels

JPEG_QUALITY = 90
MAX_JPEG_SIDE_PX = 65_500
"""What libjpeg can write."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)

Colour = tuple[int, int, int]
"""Blue, green, red, 0 to 255, as OpenCV draws."""


def annotate(pixels: Pixels, boxes: Iterable[Box]) -> bytes:
    """Draw the boxes, the best on top, and give the picture as JPEG. `pixels` stays as it is.

    Raises:
        PictureRejected: a side is too long for JPEG.
    """
    if max(pixels.shape) > MAX_JPEG_SIDE_PX:
        raise PictureRejected("IMAGE_TOO_LARGE", f"a picture longer than {MAX_JPEG_SIDE_PX} pixels cannot be annotated")
    canvas = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), np.uint8)
    draw(canvas, boxes)
    _, encoded = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return encoded.tobytes()


def draw(canvas: NDArray[np.uint8], boxes: Iterable[Box]) -> None:
    """Draw the boxes, the best on top, on a picture in BGR."""
    pen = _Pen.fitting(canvas)
    for box in sorted(boxes, key=lambda box: box.score):
        _draw(canvas, box, pen)


def colour_of(category: str) -> Colour:
    """Give a category its colour, the same in every picture and process."""
    hue = zlib.crc32(category.encode()) % 360 / 360
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, 0.95)
    return round(blue * 255), round(green * 255), round(red * 255)


@dataclass(frozen=True, slots=True)
class _Pen:
    """How thick to draw and how large to write."""

    thickness_px: int
    font_scale: float

    @classmethod
    def fitting(cls, canvas: NDArray[np.uint8]) -> _Pen:
        """Choose what is legible when the whole picture is on a screen."""
        short_px = min(canvas.shape[:2])
        return cls(max(1, round(short_px / 240)), max(0.4, short_px / 900))

    @property
    def margin_px(self) -> int:
        return 2 * self.thickness_px

    def size(self, text: str) -> tuple[int, int, int]:
        """Measure a text: its width, the height above its base line and the depth below, in pixels."""
        (width_px, height_px), depth_px = cv2.getTextSize(text, _FONT, self.font_scale, self.thickness_px)
        return width_px, height_px, depth_px


def _draw(canvas: NDArray[np.uint8], box: Box, pen: _Pen) -> None:
    colour = colour_of(box.category)
    corner = (box.x_px + box.width_px - 1, box.y_px + box.height_px - 1)
    cv2.rectangle(canvas, (box.x_px, box.y_px), corner, colour, pen.thickness_px, cv2.LINE_AA)
    _write(canvas, f"{box.category} {box.score:.0%}", box, colour, pen)


def _write(canvas: NDArray[np.uint8], text: str, box: Box, colour: Colour, pen: _Pen) -> None:
    """Write on a filled tag above the box, or inside its top where there is no room, and never beyond the picture's edge."""
    width_px, height_px, depth_px = pen.size(text)
    tag_width_px, tag_height_px = width_px + 2 * pen.margin_px, height_px + depth_px + 2 * pen.margin_px
    left = max(0, min(box.x_px, canvas.shape[1] - tag_width_px))
    top = box.y_px - tag_height_px if box.y_px >= tag_height_px else box.y_px
    cv2.rectangle(canvas, (left, top), (left + tag_width_px, top + tag_height_px), colour, cv2.FILLED)
    base_line = (left + pen.margin_px, top + pen.margin_px + height_px)
    cv2.putText(canvas, text, base_line, _FONT, pen.font_scale, _contrast(colour), pen.thickness_px, cv2.LINE_AA)


def _contrast(colour: Colour) -> Colour:
    """Choose black or white, whichever is easier to read on a colour, by its luma (ITU-R BT.601)."""
    blue, green, red = colour
    return _BLACK if 0.114 * blue + 0.587 * green + 0.299 * red > 140 else _WHITE
