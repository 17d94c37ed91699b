"""Pictures as callers have them, told by name, size and where their bytes are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from os import SEEK_END, PathLike
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias, cast
from urllib.parse import unquote, urlsplit

from myeye.content import Content, Data, OpenFile, content_of, is_data, is_file
from myeye.v1.job_pb2 import Input
from myeye.v1.upload_pb2 import Upload

Picture: TypeAlias = Content | Upload | tuple[str, Data | Upload]
"""Content, an upload, or a name and one of these that is no path: a path has a name, and so have most files. Of a video, too.

Text that begins with https:// or s3:// is no path but an address: a worker fetches it, where the service's operator allows that.
"""
Pictures: TypeAlias = Picture | Iterable[Picture]
"""One picture or several."""

MAX_NAME_LENGTH = 255
"""As the service has it."""


@dataclass(frozen=True, slots=True)
class Source:
    """One picture or video, of text its address. Its size is that of what goes into the request, 0 of an upload."""

    name: str
    content: Path | bytes | OpenFile | Upload | str
    size: int

    def read(self) -> Input:
        """Make the input that carries it.

        Raises:
            OSError: a file cannot be read.
        """
        match self.content:
            case Upload():
                return Input(name=self.name, blob=self.content.id)
            case str():
                return Input(name=self.name, uri=self.content)
            case OpenFile():
                return Input(name=self.name, content=self.content.rewound().read())
            case Path():
                return Input(name=self.name, content=self.content.read_bytes())
        return Input(name=self.name, content=self.content)


def is_uri(text: str) -> bool:
    """Tell an address from a path."""
    return text.lower().startswith(("https://", "s3://"))


def name_of(uri: str) -> str:
    """Name what is at an address: the last segment of its path, or its host."""
    parts = urlsplit(uri)
    return PurePosixPath(unquote(parts.path)).name[:MAX_NAME_LENGTH] or parts.netloc[:MAX_NAME_LENGTH]


def sources_of(pictures: Pictures) -> list[Source]:
    """Look at one picture or several; pixels are encoded here.

    Raises:
        OSError: a file cannot be found.
        TypeError: one is no picture, or an array is not of uint8.
        ValueError: an array does not have the shape of a picture.
    """
    return [_source(picture) for picture in _listed(pictures)]


def _listed(pictures: Pictures) -> Iterable[Picture]:
    match pictures:
        case str() | PathLike() | Upload():
            return [pictures]
        case (str() as name, second) if isinstance(second, Upload) or is_data(second):
            return [(name, second)]
    return [pictures] if is_data(pictures) else cast("Iterable[Picture]", pictures)


def _source(picture: Picture) -> Source:
    match picture:
        case str() if is_uri(picture):
            return Source(name_of(picture), picture, len(picture))
        case (str(name), Upload() as upload):
            return Source(name, upload, 0)
        case Upload():
            return Source("", picture, 0)
        case (str(name), content) if is_data(content):
            found = content_of(content)
        case _:
            name, found = _name(picture), content_of(cast("Content", picture))
    return Source(name, found, _size(found))


def _name(picture: Any) -> str:
    """Give the last part of a path, or of that of an open file."""
    path = getattr(picture, "name", None) if is_file(picture) else picture
    return Path(path).name if isinstance(path, (str, PathLike)) else ""


def _size(content: Path | bytes | OpenFile) -> int:
    match content:
        case Path():
            return content.stat().st_size
        case OpenFile():
            return content.file.seek(0, SEEK_END) - content.start
    return len(content)
