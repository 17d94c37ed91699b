"""Whatever is handed in as a picture: pixels, or PictureRejected with one of three reasons, and never more than was allowed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.fuzz.mutations import mutated
from worker.detection import PictureRejected
from worker.picture import decode, read_header

MAX_PIXELS = 40_000
REASONS = ("IMAGE_INVALID", "IMAGE_TOO_LARGE", "IMAGE_UNSUPPORTED")


def originals() -> Iterator[bytes]:
    """Make small pictures of every format that is read, in several of its kinds."""
    drawn = Image.fromarray(np.arange(48 * 64 * 3, dtype=np.uint32).reshape(48, 64, 3).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = {
        "JPEG": ({}, {"progressive": True}, {"exif": exif}),
        "PNG": ({}, {"bits": 8}),
        "GIF": ({}, {"save_all": True, "append_images": [drawn.rotate(90)]}),
        "BMP": ({},),
        "TIFF": ({}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"save_all": True, "append_images": [drawn]}),
        "WEBP": ({}, {"lossless": True}),
        "AVIF": ({},),
    }
    for form, settings_of in kinds.items():
        for options in settings_of:
            data = io.BytesIO()
            drawn.save(data, form, **options)
            yield data.getvalue()
    for mode in ("L", "P", "RGBA", "1", "I;16"):
        data = io.BytesIO()
        drawn.convert("L" if mode == "I;16" else mode).convert(mode).save(data, "PNG")
        yield data.getvalue()
    yield cv2.imencode(".tiff", np.full((48, 64, 3), 0x8000, np.uint16))[1].tobytes()


ORIGINALS = tuple(originals())


@contextmanager
def tolerating_refusal() -> Iterator[None]:
    """Let the one exception pass that is promised."""
    refused = None
    try:
        yield
    except PictureRejected as error:
        refused = error
    assert refused is None or refused.reason in REASONS


@pytest.mark.parametrize("full_size", [True, False])
def test_every_original_is_read(full_size: bool) -> None:
    for original in ORIGINALS:
        picture = decode(original, max_pixels=MAX_PIXELS, full_size=full_size)
        assert sorted((picture.width_px, picture.height_px)) == [48, 64]


@given(mutated(ORIGINALS, near=200) | st.binary(max_size=100), st.booleans())
def test_a_damaged_picture_is_read_or_refused(data: bytes, full_size: bool) -> None:
    with tolerating_refusal():
        read_header(data)
    with tolerating_refusal():
        picture = decode(data, max_pixels=MAX_PIXELS, full_size=full_size)
        height_px, width_px, channels = picture.pixels.shape
        assert (picture.pixels.dtype, channels) == (np.uint8, 3)
        assert height_px * width_px <= MAX_PIXELS
        assert picture.width_px * picture.height_px <= MAX_PIXELS
