"""Pictures as callers have them, told by name, size and where their bytes are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from myeye.v1.job_pb2 import Input
from myeye.v1.upload_pb2 import Upload

Picture: TypeAlias = str | PathLike[str] | bytes | Upload | tuple[str, bytes | Upload]
"""A path, the encoded bytes, an upload, or a name and one of the last two. Of a video, too.

Text that begins with https:// or s3:// is no path but an address: a worker fetches it, where the service's operator allows that.
"""
Pictures: TypeAlias = Picture | Iterable[Picture]

MAX_NAME_LENGTH = 255
"""As the service has it."""


@dataclass(frozen=True, slots=True)
class Source:
    """One picture or video, of text its address. Its size is that of what goes into the request, 0 of an upload."""

    name: str
    content: Path | bytes | Upload | str
    size: int

    def read(self) -> Input:
        """Make the input that carries it.

        Raises:
            OSError: a file cannot be read.
        """
        if isinstance(self.content, Upload):
            return Input(name=self.name, blob=self.content.id)
        if isinstance(self.content, str):
            return Input(name=self.name, uri=self.content)
        return Input(name=self.name, content=self.content if isinstance(self.content, bytes) else self.content.read_bytes())


def is_uri(text: str) -> bool:
    """Tell an address from a path."""
    return text.lower().startswith(("https://", "s3://"))


def name_of(uri: str) -> str:
    """Name what is at an address: the last segment of its path, or its host."""
    parts = urlsplit(uri)
    return PurePosixPath(unquote(parts.path)).name[:MAX_NAME_LENGTH] or parts.netloc[:MAX_NAME_LENGTH]


def sources_of(pictures: Pictures) -> list[Source]:
    """Look at one picture or several.

    Raises:
        OSError: a file cannot be found.
    """
    return [_source(picture) for picture in _listed(pictures)]


def _listed(pictures: Pictures) -> Iterable[Picture]:
    match pictures:
        case str() | bytes() | PathLike() | Upload():
            return [pictures]
        case (str() as name, (bytes() | Upload()) as content):
            return [(name, content)]
    return pictures


def _source(picture: Picture) -> Source:
    match picture:
        case bytes():
            return Source("", picture, len(picture))
        case Upload():
            return Source("", picture, 0)
        case (str(name), bytes(content)):
            return Source(name, content, len(content))
        case (str(name), Upload() as upload):
            return Source(name, upload, 0)
        case str() if is_uri(picture):
            return Source(name_of(picture), picture, len(picture))
        case str() | PathLike():
            path = Path(picture)
            return Source(path.name, path, path.stat().st_size)
    raise TypeError(f"a picture is a path, bytes, an upload, or a name and one of these, not {type(picture).__name__}")
