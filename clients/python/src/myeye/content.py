"""What the bytes of a picture may come as."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeGuard

from myeye.imagery import Array, PillowImage, encode, is_array, is_image

Data: TypeAlias = bytes | bytearray | memoryview | BinaryIO | Array | PillowImage
"""Content that is no path."""
Content: TypeAlias = str | PathLike[str] | Data
"""A path; an encoded picture or video, as bytes, or as a file that is open for reading them, from where it is to its end; or
pixels: a numpy array of uint8 as OpenCV has it (BGR, BGRA or grey), or an image of Pillow.

Pixels are handed in as PNG, without loss.
"""


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that can seek, and where its content begins."""

    file: BinaryIO
    start: int

    def rewound(self) -> BinaryIO:
        """Give the file where its content begins."""
        self.file.seek(self.start)
        return self.file


def content_of(content: Content) -> Path | bytes | OpenFile:
    """Find out what content is, and encode it if it is pixels.

    Raises:
        OSError: a file cannot be read.
        TypeError: this is none, or an array is not of uint8.
        ValueError: an array does not have the shape of a picture.
    """
    if isinstance(content, (str, PathLike)):
        return Path(content)
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    if is_array(content) or is_image(content):
        return encode(content)
    if not is_file(content):
        kinds = "a path, bytes, a file, a numpy array, a Pillow image, an upload, or a name and one of these"
        raise TypeError(f"a picture is {kinds}, not {type(content).__name__}")
    if isinstance(content.read(0), str):
        raise TypeError("a picture's file is opened for bytes: open(path, 'rb')")
    return OpenFile(content, content.tell()) if content.seekable() else content.read()


@contextmanager
def opened(content: Path | bytes | OpenFile) -> Iterator[BinaryIO]:
    """Give the content as a file that can seek; one that was open already stays so."""
    match content:
        case Path():
            with content.open("rb") as file:
                yield file
        case OpenFile():
            yield content.rewound()
        case bytes():
            yield BytesIO(content)


def is_data(content: object) -> TypeGuard[Data]:
    """Tell whether this is content, and no path. Arrays and files can be iterated over, and are one picture all the same."""
    return isinstance(content, (bytes, bytearray, memoryview)) or is_array(content) or is_image(content) or is_file(content)


def is_file(content: Any) -> TypeGuard[BinaryIO]:
    """Tell whether this can be read from."""
    return hasattr(content, "read")
