"""An encoded picture to pixels: its header is read first, hostile ones are refused, the rest comes out upright and in RGB."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from worker.detection import PictureRejected

Pixels = NDArray[np.uint8]
"""Height x width x 3, RGB, contiguous."""

SUPPORTED = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")
MIN_REDUCED_SIDE_PX = 640
"""A reduced decode keeps the short side at least this long: measured on COCO, that costs no accuracy, and 320 does."""

_REDUCED = ((8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4), (2, cv2.IMREAD_REDUCED_COLOR_2))
_FULL = (1, cv2.IMREAD_COLOR)
_FOREIGN = (
    ("HEIC", 4, (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypheim", b"ftypmif1", b"ftypmsf1")),
    ("JPEG 2000", 0, (b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51")),
    ("JPEG XL", 0, (b"\x00\x00\x00\x0cJXL ", b"\xff\x0a")),
    ("Photoshop", 0, (b"8BPS",)),
    ("PDF", 0, (b"%PDF-",)),
    ("SVG", 0, (b"<svg",)),
    ("icon", 0, (b"\x00\x00\x01\x00",)),
)


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture says of itself. The size is as stored: before its EXIF orientation is applied."""

    format: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Pixels to look at, and the size of the upright original, which may be larger."""

    pixels: Pixels
    width_px: int
    height_px: int


def read_header(data: bytes) -> Header:
    """Read format and size without decoding.

    Raises:
        PictureRejected: it is no picture, or not of a supported format.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata; whether the pixels are there is for the decoder to say
            with Image.open(io.BytesIO(data), formats=SUPPORTED) as image:
                return Header(image.format or "", image.width, image.height)
    except UnidentifiedImageError as error:
        raise _unidentified(data) from error
    except Image.DecompressionBombError as error:
        raise PictureRejected("IMAGE_TOO_LARGE", "the picture declares far more pixels than any that is looked at") from error
    except Exception as error:  # a parser of hostile bytes raises struct.error, SyntaxError, OSError and whatever else it meets
        raise PictureRejected("IMAGE_INVALID", "the header of the picture is damaged") from error


def decode(data: bytes, *, max_pixels: int, full_size: bool) -> Picture:
    """Decode the first frame, upright. Unless `full_size`, a JPEG far larger than detectors need is decoded at 1/2, 1/4 or 1/8.

    Raises:
        PictureRejected: it is no picture, damaged, not of a supported format, or has more than `max_pixels`.
    """
    header = read_header(data)
    if (count := header.width_px * header.height_px) > max_pixels:
        size = f"{header.width_px}x{header.height_px}"
        raise PictureRejected("IMAGE_TOO_LARGE", f"the picture has {size} = {count} pixels, more than {max_pixels}")
    divisor, flags = _FULL if full_size else _reduction(header)
    pixels = _pixels(data, flags)
    width_px, height_px = _upright(header, divisor, pixels)
    return Picture(pixels, width_px, height_px)


def _unidentified(data: bytes) -> PictureRejected:
    supported = f"supported are {', '.join(SUPPORTED)}"
    if not data:
        return PictureRejected("IMAGE_INVALID", "the picture is empty")
    for name, offset, signatures in _FOREIGN:
        if data[offset:].startswith(signatures):
            return PictureRejected("IMAGE_UNSUPPORTED", f"{name} is not supported; {supported}")
    return PictureRejected("IMAGE_INVALID", f"this is not a picture that can be read; {supported}")


def _reduction(header: Header) -> tuple[int, int]:
    """Choose by what to divide the sides while decoding, and the flag that makes OpenCV do it."""
    short_px = min(header.width_px, header.height_px)
    if header.format not in ("JPEG", "MPO"):
        return _FULL
    return next((each for each in _REDUCED if short_px >= each[0] * MIN_REDUCED_SIDE_PX and _tells_turns(header, each[0])), _FULL)


def _tells_turns(header: Header, divisor: int) -> bool:
    """Tell whether a reduced picture still shows if it was turned: not when its sides differ only in the original."""
    return header.width_px == header.height_px or _divided(header.width_px, divisor) != _divided(header.height_px, divisor)


def _divided(length_px: int, divisor: int) -> int:
    return -(-length_px // divisor)


def _upright(header: Header, divisor: int, pixels: Pixels) -> tuple[int, int]:
    """Give width and height of the upright original: OpenCV applies the EXIF orientation, and the shape shows a quarter turn."""
    height_px, width_px = pixels.shape[:2]
    if divisor == 1:
        return width_px, height_px
    if width_px == _divided(header.width_px, divisor):
        return header.width_px, header.height_px
    return header.height_px, header.width_px


def _pixels(data: bytes, flags: int) -> Pixels:
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        if decoded is not None:
            return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
    except (cv2.error, MemoryError) as error:
        if isinstance(error, MemoryError) or error.code == cv2.Error.StsNoMem:
            raise PictureRejected("IMAGE_TOO_LARGE", "the picture needs more memory than a detector has") from error
        raise PictureRejected("IMAGE_INVALID", "the picture cannot be decoded") from error
    raise PictureRejected("IMAGE_INVALID", "the picture is damaged or not complete")
