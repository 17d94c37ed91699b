"""Boxes and labels on an image of Pillow."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, cast

from PIL import Image, ImageDraw, ImageFont, ImageOps

from myeye.colours import Colour, colour_of, readable_on
from myeye.content import Content, OpenFile, content_of, opened
from myeye.imagery import is_array, is_image, to_bgr, to_rgb
from myeye.v1.detection_pb2 import Detection, DetectionResult, FrameResult

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""

LEGIBLE_PX = 480
"""Smaller pictures are enlarged until their longer side is at least so long, or labels would hide them."""
JPEG_QUALITY = 90


def annotated(picture: Content, result: DetectionResult | FrameResult) -> Any:
    """Do what `myeye.annotate` promises."""
    if is_array(picture) and len(picture.shape) > 1:
        return to_bgr(_drawn(Image.fromarray(to_rgb(picture)), result, scale=1))
    if is_image(picture):
        return _drawn(_upright(cast("Image.Image", picture)), result, scale=1)
    image = _upright(_opened(content_of(picture)))
    encoded = io.BytesIO()
    drawn = _drawn(image, result, scale=max(1, math.ceil(LEGIBLE_PX / max(image.size))))
    drawn.convert("RGB").save(encoded, "JPEG", quality=JPEG_QUALITY)
    return encoded.getvalue()


def _drawn(image: Image.Image, result: DetectionResult | FrameResult, *, scale: int) -> Image.Image:
    """Give a larger image with boxes and labels, those of the best above the others."""
    if isinstance(result, DetectionResult) and image.size != (result.width_px, result.height_px):
        raise ValueError(f"the picture is {image.width}x{image.height}, the result's {result.width_px}x{result.height_px}")
    coloured = image.convert("RGBA" if image.mode in ("RGBA", "LA") else "RGB")
    canvas = Canvas(coloured.resize((image.width * scale, image.height * scale)))
    for detection in reversed(result.detections):
        canvas.outline(_box(detection, scale), colour_of(detection.category))
    for detection in result.detections:
        text = f"{detection.category} {detection.score:.0%}"
        canvas.label(_box(detection, scale), text, colour_of(detection.category))
    return canvas.image


def _opened(content: Path | bytes | OpenFile) -> Image.Image:
    with opened(content) as file:
        try:
            image = Image.open(file)
            image.load()
        except Image.DecompressionBombError as error:
            raise ValueError(str(error)) from error
    return image


def _upright(image: Image.Image) -> Image.Image:
    """Turn an image as its EXIF says, and give it 8 bits a channel."""
    upright = ImageOps.exif_transpose(image)
    return upright.point(lambda value: value / 256).convert("L") if upright.mode.startswith("I") else upright


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
        draw.text((place[0] + margin - left, place[1] + margin - top), text, fill=readable_on(colour), font=font)

    def _places(self, box: Box, width: int, height: int) -> Iterator[Box]:
        """Yield where a label of this size can be: above, inside at the top, below, inside at the bottom; all in the picture."""
        left = max(0, min(box[0], self.image.width - width))
        for top in (box[1] - height, box[1], box[3], box[3] - height):
            if 0 <= top <= self.image.height - height:
                yield left, top, left + width, top + height
        yield left, 0, left + width, height


def _box(detection: Detection, scale: int) -> Box:
    box = detection.bounding_box
    left, top = box.x_px * scale, box.y_px * scale
    return left, top, left + max(0, box.width_px * scale - 1), top + max(0, box.height_px * scale - 1)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
