"""Which upload a call means: checked against every limit at once, and where it lies in the blob store."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.errors import InvalidRequest, Violation
from gateway.limits import Limits

UPLOADS = "uploads/"
"""All uploads of all principals lie below it."""

_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNCHECKED = "unchecked"
_WHAT = re.compile(rf"([1-9][0-9]*)-([0-9a-f]{{64}}|{_UNCHECKED})")


@dataclass(frozen=True, slots=True)
class Target:
    """What all calls of one upload agree on, and where the bytes of this one begin. `sha256` is in hexadecimal or empty."""

    upload_id: str
    size: int
    sha256: str
    offset: int

    @property
    def what(self) -> str:
        """Name what is to come, as a segment of a blob's name: uploads of other bytes never share one."""
        return f"{self.size}-{self.sha256 or _UNCHECKED}"


def check_target(target: Target, limits: Limits) -> None:
    """Find fault with a target.

    Raises:
        InvalidRequest: with every violation.
    """
    if violations := tuple(_violations(target, limits)):
        raise InvalidRequest(*violations)


def _violations(target: Target, limits: Limits) -> Iterator[Violation]:
    yield from malformed_id("upload_id", target.upload_id)
    if not 1 <= target.size <= limits.max_upload_bytes:
        yield Violation("size_bytes", f"must be from 1 to {limits.max_upload_bytes}, not {target.size}")
    if target.sha256 and not _SHA256.fullmatch(target.sha256):
        yield Violation("sha256", "must be 64 lower-case hexadecimal digits, or empty")
    if target.offset < 0:
        yield Violation("offset", f"must not be negative, and is {target.offset}")


def malformed_id(field: str, upload_id: str) -> Iterator[Violation]:
    """Find fault with the id of an upload, which becomes a part of blobs' names."""
    if not _ID.fullmatch(upload_id):
        yield Violation(field, 'must be from 16 to 64 of the characters A-Z, a-z, 0-9, "-" and "_"')


def upload_folder(principal: str, upload_id: str) -> str:
    """Say below which prefix an upload of a well-formed id lies: "uploads/<whose>.<id>/"."""
    return f"{UPLOADS}{owner_segment(principal)}.{upload_id}/"


def owner_segment(principal: str) -> str:
    """Say whose an upload is, in a word that any name can be made into: the <whose> of its prefix."""
    return hashlib.sha256(principal.encode()).hexdigest()[:32]


def read_what(segment: str) -> tuple[int, str] | None:
    """Read `Target.what`: size and hash; None if it is none."""
    if match := _WHAT.fullmatch(segment):
        return int(match[1]), "" if match[2] == _UNCHECKED else match[2]
    return None
