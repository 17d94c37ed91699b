"""Pictures as callers have them, to inputs as the service takes them."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from myeye.v1.job_pb2 import Input

Picture: TypeAlias = str | PathLike[str] | bytes | tuple[str, bytes]
"""A path, the encoded bytes, or a name and the encoded bytes."""
Pictures: TypeAlias = Picture | Iterable[Picture]


def read_inputs(pictures: Pictures) -> list[Input]:
    """Read one picture or several.

    Raises:
        OSError: a file cannot be read.
    """
    return [_read(picture) for picture in _listed(pictures)]


def _listed(pictures: Pictures) -> Iterable[Picture]:
    match pictures:
        case str() | bytes() | PathLike() | (str(), bytes()):
            return [pictures]
    return pictures


def _read(picture: Picture) -> Input:
    match picture:
        case bytes():
            return Input(content=picture)
        case (str(name), bytes(content)):
            return Input(name=name, content=content)
        case str() | PathLike():
            path = Path(picture)
            return Input(name=path.name, content=path.read_bytes())
    raise TypeError(f"a picture is a path, bytes, or a name and bytes, not {type(picture).__name__}")
