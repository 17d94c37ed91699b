"""Pictures that are in memory already, as numpy arrays or Pillow images: to an encoded picture, and drawn on.

Neither library is needed for anything else, and so neither is a dependency: who has such an object has imported it already.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, TypeGuard


class Array(Protocol):
    """A numpy array of uint8, as OpenCV has pictures: (height, width, 3) is BGR, (height, width, 4) BGRA, (height, width) grey.

    One with a single dimension is an encoded picture, as `cv2.imencode` returns it.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width, and the number of channels, 1, 3 or 4; grey may be without."""
        ...

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


class PillowImage(Protocol):
    """An image of Pillow, `PIL.Image.Image`, of any mode with 8 bits a channel, or with 16 of grey. Its EXIF rotation counts."""

    @property
    def mode(self) -> str:
        """What its channels are, as "RGB"."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in pixels."""
        ...

    def save(self, fp: Any, format: str | None = None, **params: Any) -> None:  # noqa: A002
        """Write it to a file."""
        ...


Imagery: TypeAlias = Array | PillowImage
"""What is in memory as pixels."""

CHANNELS = {1: 0, 3: 2, 4: 6}
"""A PNG's word for so many channels."""
RGB_OF_BGR: Mapping[int, int | list[int]] = {1: 0, 3: [2, 1, 0], 4: [2, 1, 0, 3]}
"""The channels of BGR or BGRA in the order of RGB or RGBA, and the other way round, by their number."""
FASTEST = 1
"""Of zlib: the picture is not kept, and a line is faster than more."""
PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})


def is_array(picture: object) -> TypeGuard[Array]:
    """Tell whether this is a numpy array."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(picture, numpy.ndarray)


def is_image(picture: object) -> TypeGuard[PillowImage]:
    """Tell whether this is an image of Pillow."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(picture, pillow.Image)


def encode(picture: Imagery) -> bytes:
    """Make a PNG of it, without loss. An array of one dimension is encoded already.

    Raises:
        TypeError: its numbers are not uint8.
        ValueError: its shape is not that of one picture.
    """
    return _encode_array(picture) if is_array(picture) else _encode_image(picture)


def to_rgb(array: Any) -> Any:
    """Turn what OpenCV has as BGR or BGRA into RGB or RGBA; grey has two dimensions then.

    Raises:
        TypeError: its numbers are not uint8.
        ValueError: its shape is not that of one picture.
    """
    _check(array)
    if array.ndim == 2:
        return array
    return array[..., RGB_OF_BGR[array.shape[2]]]


def to_bgr(image: Any) -> Any:
    """Turn an image of Pillow, RGB or RGBA, into an array as OpenCV has it."""
    import numpy

    pixels = numpy.asarray(image)
    return numpy.ascontiguousarray(pixels[..., RGB_OF_BGR[pixels.shape[2]]])


def _check(array: Any) -> None:
    """Look whether an array is one picture.

    Raises:
        TypeError: its numbers are not uint8.
        ValueError: its shape is not that of one picture.
    """
    if array.dtype.name != "uint8":
        raise TypeError(f"a picture is an array of uint8, not of {array.dtype}{_remedy(array.dtype)}")
    if array.size == 0:
        raise ValueError(f"an array of shape {array.shape} has no pixels")
    if array.ndim == 3 and array.shape[2] not in CHANNELS and array.shape[0] in CHANNELS:
        raise ValueError(f"an array of shape {array.shape} has its channels first: give `picture.transpose(1, 2, 0)`, as BGR")
    if array.ndim == 4:
        raise ValueError(f"an array of shape {array.shape} is several pictures: give `list(pictures)`")
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in CHANNELS)):
        shapes = "(height, width) is grey, (height, width, 3) BGR, (height, width, 4) BGRA"
        raise ValueError(f"an array of shape {array.shape} is no picture: {shapes}")


def _remedy(dtype: Any) -> str:
    match dtype.kind:
        case "f":
            return ": give `(255 * picture).astype(numpy.uint8)` if it goes from 0 to 1"
        case "b":
            return ": give `255 * picture.astype(numpy.uint8)`"
        case "u":
            return f": give `(picture >> {8 * (dtype.itemsize - 1)}).astype(numpy.uint8)` if it uses all of its bits"
    return ""


def _encode_array(array: Any) -> bytes:
    if array.ndim == 1 and array.dtype.name == "uint8":
        encoded: bytes = array.tobytes()
        return encoded
    import numpy

    pixels = to_rgb(array)
    height, width, channels = (*pixels.shape, 1)[:3]
    lines = pixels.reshape(height, width, channels)
    filtered = numpy.empty((height, 1 + width * channels), numpy.uint8)
    filtered[:, 0] = 1  # the filter Sub: what each pixel is more than the one before it, of which far less is left to send
    filtered[:, 1 : 1 + channels] = lines[:, 0]
    filtered[:, 1 + channels :] = (lines[:, 1:] - lines[:, :-1]).reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, CHANNELS[channels], 0, 0, 0)
    data = zlib.compress(filtered.data, FASTEST)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _encode_image(image: Any) -> bytes:
    from PIL import ImageOps

    if image.mode[0] in "FI" and image.mode not in PNG_MODES:
        raise TypeError(
            f"an image of mode {image.mode} has no 8 bits a channel: make it `image.convert('L')`, scaled to 0 to 255"
        )
    upright = ImageOps.exif_transpose(image)
    encoded = io.BytesIO()
    (upright if upright.mode in PNG_MODES else upright.convert("RGB")).save(encoded, "PNG", compress_level=FASTEST)
    return encoded.getvalue()
