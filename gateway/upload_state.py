"""How far an upload is, read from the names of its blobs and from nothing else. Pure.

Below an upload's folder lie:

    <size>-<sha256>/parts/<start>-<end>     bytes that are durable, of any number of calls; they may overlap
    <size>-<sha256>/whole.<random>          all of it, checked
    <size>-<sha256>/done                    says which whole it is: with it the upload is complete

No blob is ever changed, so calls that run at once, on whatever gateways, cannot harm one another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dispatch.ports import Blob
from gateway.upload_target import read_what

DONE = "done"
_PART = re.compile(r"parts/([0-9]+)-([0-9]+)")


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes from `start` up to `end`, itself left out, in a blob."""

    start: int
    end: int
    blob: str


@dataclass(frozen=True, slots=True)
class UploadState:
    """An upload. `folder` is the prefix of its blobs; `chain` are the parts, in order, that give its durable beginning.

    The times are those of its first and its last blob (nanoseconds since 1970).
    """

    folder: str
    size: int
    sha256: str
    chain: tuple[Part, ...] = ()
    complete: bool = False
    begun_ns: int = 0
    modified_ns: int = 0

    @property
    def received(self) -> int:
        """Count the bytes from the beginning that are durable."""
        if self.complete:
            return self.size
        return self.chain[-1].end if self.chain else 0

    @property
    def parts(self) -> str:
        """The prefix of its parts."""
        return f"{self.folder}parts/"

    def part(self, start: int, end: int) -> Part:
        """Name a part."""
        return Part(start, end, f"{self.parts}{start}-{end}")


def read_states(folder: str, blobs: Iterable[Blob]) -> list[UploadState]:
    """Read what lies below an upload's folder: one state, or, where a client misuses an id, several, the oldest first."""
    found: dict[str, list[Blob]] = {}
    for blob in blobs:
        found.setdefault(blob.name.removeprefix(folder).partition("/")[0], []).append(blob)
    states = [_read(f"{folder}{what}/", *read, found[what]) for what in found if (read := read_what(what))]
    return sorted(states, key=lambda state: (state.begun_ns, state.folder))


def _read(folder: str, size: int, sha256: str, blobs: Sequence[Blob]) -> UploadState:
    parts = (_part(folder, blob.name) for blob in blobs)
    return UploadState(
        folder=folder,
        size=size,
        sha256=sha256,
        chain=_chain(sorted((part for part in parts if part is not None), key=lambda part: part.start)),
        complete=any(blob.name == f"{folder}{DONE}" for blob in blobs),
        begun_ns=min(blob.modified_ns for blob in blobs),
        modified_ns=max(blob.modified_ns for blob in blobs),
    )


def _part(folder: str, name: str) -> Part | None:
    match = _PART.fullmatch(name.removeprefix(folder))
    return Part(int(match[1]), int(match[2]), name) if match else None


def _chain(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Choose from parts, in the order of their starts, the fewest that cover the beginning without a gap."""
    chain: list[Part] = []
    end = 0
    best: Part | None = None  # of those that begin before `end`, the one that reaches farthest beyond it
    for part in parts:
        if part.start > end and best:
            chain.append(best)
            end, best = best.end, None
        if part.start > end:
            break
        if part.end > (best.end if best else end):
            best = part
    return (*chain, best) if best else tuple(chain)
