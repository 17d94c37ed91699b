"""The colours of categories."""

from __future__ import annotations

import colorsys
import zlib
from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]
"""Red, green and blue, each from 0 to 255."""


def colour_of(category: str) -> Colour:
    """Give a category its colour, the same in every picture and on every machine."""
    number = zlib.crc32(category.encode())
    red, green, blue = colorsys.hls_to_rgb(number % 360 / 360, (0.42, 0.52, 0.62)[number // 360 % 3], 0.85)
    return round(red * 255), round(green * 255), round(blue * 255)


def readable_on(colour: Colour) -> Colour:
    """Give black or white, whichever can be read on this colour."""
    red, green, blue = colour
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)
