"""The annotated pictures that `myeye detect` writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path

from myeye.annotation import annotate
from myeye.pictures import name_of
from myeye.v1.detection_pb2 import DetectionResult


def output_paths(pictures: Sequence[Path | str], folder: Path | None) -> Iterator[Path]:
    """Yield for each picture NAME.detected.jpg, beside it or in `folder`; numbered where two would have the same.

    Beside an address is here.
    """
    taken: set[Path] = set()
    for given in pictures:
        picture = given if isinstance(given, Path) else Path(name_of(given))
        endings = chain(["detected.jpg"], (f"{number}.detected.jpg" for number in count(2)))
        places = ((folder or picture.parent) / f"{picture.stem}.{ending}" for ending in endings)
        path = next(place for place in places if place not in taken)
        taken.add(path)
        yield path


def write_annotated(picture: Path | bytes, result: DetectionResult, path: Path) -> None:
    """Draw what was found on a picture, given as a file or its bytes.

    Raises:
        ValueError: it cannot be drawn on the picture.
        OSError: a file cannot be read or written.
    """
    write(path, annotate(picture, result))


def write(path: Path, drawn: bytes) -> None:
    """Write a file, and the folders above it.

    Raises:
        OSError: that cannot be done.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(drawn)
