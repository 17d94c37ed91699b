"""Pictures to send: one that every installation has, enlarged, and bytes that are pictures to the gateway only.

Their contents and sizes come from a seed, so that nothing can be made to fit them.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from random import Random

import matplotlib
from PIL import Image, ImageOps

NOISES = 16
PHOTOGRAPHS = 4
GRAIN = 0.04
"""Share of noise in an enlarged picture, without which it would be smoother, and so smaller as JPEG, than photographs are."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a seed: the same for all that are compared."""

    seed: int

    def noises(self, size_bytes: int) -> list[bytes]:
        """Make some things that no compression helps with, from half to one and a half times the size."""
        random = Random(f"{self.seed} noise {size_bytes}")
        return [random.randbytes(round(size_bytes * random.uniform(0.5, 1.5))) for _ in range(NOISES)]

    def photographs(self, megapixels: float) -> list[bytes]:
        """Give matplotlib's sample photograph as JPEGs, grained, up to a tenth larger or smaller, half of them mirrored."""
        random = Random(f"{self.seed} photograph {megapixels}")
        source = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
        with Image.open(source) as image:
            plain = image.convert("RGB")
        faces = [plain, ImageOps.mirror(plain)] * (PHOTOGRAPHS // 2)
        return [_photograph(face, megapixels * random.uniform(0.9, 1.1), random) for face in faces]


def _photograph(image: Image.Image, megapixels: float, random: Random) -> bytes:
    factor = math.sqrt(megapixels * 1e6 / (image.width * image.height))
    size = round(image.width * factor), round(image.height * factor)
    grain = Image.frombytes("RGB", size, random.randbytes(3 * size[0] * size[1]))
    encoded = io.BytesIO()
    Image.blend(image.resize(size, Image.Resampling.BICUBIC), grain, GRAIN).save(encoded, "JPEG", quality=85)
    return encoded.getvalue()
