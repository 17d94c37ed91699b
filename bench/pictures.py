"""Pictures to send: one that every installation has, enlarged, and bytes that are pictures to the gateway only."""

from __future__ import annotations

import io
import math
from pathlib import Path
from random import Random

import matplotlib
from PIL import Image

SEED = 20261124
GRAIN = 0.04
"""Share of noise in an enlarged picture, without which it would be smoother, and so smaller as JPEG, than photographs are."""


def noise(size_bytes: int) -> bytes:
    """Make something that no compression helps with."""
    return Random(SEED).randbytes(size_bytes)


def photograph(megapixels: float) -> bytes:
    """Give matplotlib's sample photograph as a JPEG: as it is at 0.3 megapixels, or enlarged."""
    source = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    if megapixels <= 0.3:
        return source.read_bytes()
    with Image.open(source) as image:
        return _enlarged(image.convert("RGB"), megapixels)


def _enlarged(image: Image.Image, megapixels: float) -> bytes:
    factor = math.sqrt(megapixels * 1e6 / (image.width * image.height))
    size = round(image.width * factor), round(image.height * factor)
    grain = Image.frombytes("RGB", size, Random(SEED).randbytes(3 * size[0] * size[1]))
    encoded = io.BytesIO()
    Image.blend(image.resize(size, Image.Resampling.BICUBIC), grain, GRAIN).save(encoded, "JPEG", quality=85)
    return encoded.getvalue()
