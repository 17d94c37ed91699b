"""A picture with what was found drawn on it."""

from __future__ import annotations

import colorsys
import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont, ImageOps

from myeye.v1.detection_pb2 import Detection, DetectionResult

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""
Colour: TypeAlias = tuple[int, int, int]

LEGIBLE_PX = 480
"""Smaller pictures are enlarged until their longer side is at least so long, or labels would hide them."""


def annotate(picture: bytes, result: DetectionResult) -> bytes:
    """Draw labelled boxes and return a JPEG, upright.

    Raises:
        ValueError: the picture is not the one of the result, by its size, or too large to draw on.
        OSError: the picture cannot be read.
    """
    image = _upright(picture)
    if image.size != (result.width_px, result.height_px):
        raise ValueError(f"the picture is {image.width}x{image.height}, the result's {result.width_px}x{result.height_px}")
    scale = max(1, math.ceil(LEGIBLE_PX / max(image.size)))
    canvas = Canvas(image.resize((image.width * scale, image.height * scale)) if scale > 1 else image)
    for detection in reversed(result.detections):
        canvas.outline(_box(detection, scale), colour_of(detection.category))
    for detection in result.detections:
        text = f"{detection.category} {detection.score:.0%}"
        canvas.label(_box(detection, scale), text, colour_of(detection.category))
    encoded = io.BytesIO()
    canvas.image.save(encoded, "JPEG", quality=90)
    return encoded.getvalue()


def colour_of(category: str) -> Colour:
    """Give a category its colour, the same in every picture and on every machine."""
    number = zlib.crc32(category.encode())
    red, green, blue = colorsys.hls_to_rgb(number % 360 / 360, (0.42, 0.52, 0.62)[number // 360 % 3], 0.85)
    return round(red * 255), round(green * 255), round(blue * 255)


@dataclass(slots=True)
class Canvas:
    """A picture being drawn on; sizes of lines and letters follow the picture's."""

    image: Image.Image
    _labels: list[Box] = field(default_factory=list)

    def outline(self, box: Box, colour: Colour) -> None:
        """Draw a box."""
        ImageDraw.Draw(self.image).rectangle(box, outline=colour, width=max(2, round(max(self.image.size) / 320)))

    def label(self, box: Box, text: str, colour: Colour) -> None:
        """Write beside a box, where no other label is if there is such a place."""
        font = ImageFont.load_default(max(14, round(max(self.image.size) / 55)))
        draw = ImageDraw.Draw(self.image)
        left, top, right, bottom = (round(edge) for edge in draw.textbbox((0, 0), text, font=font))
        margin = max(2, (bottom - top) // 4)
        places = list(self._places(box, right - left + 2 * margin, bottom - top + 2 * margin))
        place = next((free for free in places if not any(_overlap(free, label) for label in self._labels)), places[0])
        self._labels.append(place)
        draw.rectangle(place, fill=colour)
        draw.text((place[0] + margin - left, place[1] + margin - top), text, fill=_readable_on(colour), font=font)

    def _places(self, box: Box, width: int, height: int) -> Iterator[Box]:
        """Yield where a label of this size can be: above, inside at the top, below, inside at the bottom; all in the picture."""
        left = max(0, min(box[0], self.image.width - width))
        for top in (box[1] - height, box[1], box[3], box[3] - height):
            if 0 <= top <= self.image.height - height:
                yield left, top, left + width, top + height
        yield left, 0, left + width, height


def _upright(picture: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(picture))
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from error
    with image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16 bits a pixel, which convert would cut instead of scale
            upright = upright.point(lambda value: value / 256).convert("L")
        return upright.convert("RGB")


def _box(detection: Detection, scale: int) -> Box:
    box = detection.bounding_box
    left, top = box.x_px * scale, box.y_px * scale
    return left, top, left + max(0, box.width_px * scale - 1), top + max(0, box.height_px * scale - 1)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _readable_on(colour: Colour) -> Colour:
    red, green, blue = colour
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)
