"""A picture with what was found drawn on it, in one call."""

from __future__ import annotations

from os import PathLike
from typing import Any, BinaryIO, TypeAlias, TypeVar, overload

from myeye.content import Content
from myeye.imagery import Array, PillowImage
from myeye.v1.detection_pb2 import DetectionResult, FrameResult

Encoded: TypeAlias = str | PathLike[str] | bytes | bytearray | memoryview | BinaryIO
Result: TypeAlias = DetectionResult | FrameResult
AnArray = TypeVar("AnArray", bound=Array)
AnImage = TypeVar("AnImage", bound=PillowImage)


@overload
def annotate(picture: Encoded, result: Result) -> bytes: ...
@overload
def annotate(picture: AnArray, result: Result) -> AnArray: ...
@overload
def annotate(picture: AnImage, result: Result) -> AnImage: ...
def annotate(picture: Content, result: Result) -> Any:
    """Draw labelled boxes on a picture, and return it as what it was given as. What was given is not changed.

    Needs Pillow, which `pip install 'myeye[draw]'` brings along.

    Args:
        picture: the one that was looked at. Of a numpy array (uint8; BGR, BGRA or grey) the answer is one of the same height and
            width, BGR or BGRA. Of an image of Pillow it is one, upright, RGB or RGBA. Of a path, bytes or a file it is a JPEG,
            upright, and enlarged if it is so small that labels would hide it.
        result: what was found in it, as `job.items[0].result`; or in a frame of a video, as `AsyncClient.frames` yields it.

    Raises:
        ImportError: Pillow is not there.
        OSError: the picture cannot be read.
        TypeError: this is no picture, or an array is not of uint8.
        ValueError: the picture is not the one of the result, by its size, or too large to draw on.
    """
    try:
        from myeye import draw
    except ModuleNotFoundError as error:
        raise ImportError("to draw on pictures takes Pillow: pip install 'myeye[draw]'") from error
    return draw.annotated(picture, result)
