"""What a file says of itself in its outermost structure, read without FFmpeg: which container it is, and whether it is whole.

FFmpeg is shown only what begins as one of the containers that are meant to be opened. Among the others that it knows are play
lists, which make it read further files and addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from worker.video.rejected import VideoRejected

TAIL_BYTES = 4096
MAX_PARTS = 100_000
"""Enough for a day of fragments; a file that is cut into more is not followed to its end."""


class Kind(StrEnum):
    """A container, by the name of FFmpeg's demuxer."""

    MP4 = "mov"
    MATROSKA = "matroska"
    AVI = "avi"


@dataclass(frozen=True, slots=True)
class Container:
    """`complete` is False when the file ends before its own structure does, or in zeros: what a broken transfer leaves.

    `movie_s` is the length of an MP4 after its edits, which FFmpeg's count of frames knows nothing of; None where it is not said.
    """

    kind: Kind
    complete: bool
    movie_s: float | None = None


_MP4_FIRST = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_WIDE = b"\x00\x00\x00\x01"
"""In place of a box's length: that is in the eight bytes after its name."""
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_FOREIGN = (
    ("MPEG", (b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3", b"\x47")),
    ("Ogg", (b"OggS",)),
    ("Flash", (b"FLV",)),
    ("Windows Media", (b"\x30\x26\xb2\x75",)),
    ("a play list", (b"#EXTM3U", b"ffconcat", b"v=0", b"[playlist]", b"<MPD", b"<?xml")),
)


def inspect(file: BinaryIO) -> Container:
    """Read the outermost structure of a file.

    Raises:
        VideoRejected: it is none of the supported containers.
    """
    head = file.read(12)
    size = file.seek(0, 2)
    kind = _kind(head)
    end = {Kind.MP4: _mp4_end, Kind.MATROSKA: _matroska_end, Kind.AVI: _avi_end}[kind](file, size)
    complete = end <= size and not _ends_in_zeros(file, size)
    return Container(kind, complete, _movie_s(file, size) if kind is Kind.MP4 else None)


def _kind(head: bytes) -> Kind:
    if head[4:8] in _MP4_FIRST:
        return Kind.MP4
    if head.startswith(_EBML):
        return Kind.MATROSKA
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return Kind.AVI
    for name, signatures in _FOREIGN:
        if head.startswith(signatures):
            raise VideoRejected(
                "VIDEO_UNSUPPORTED", f"{name} is not supported; supported are MP4, QuickTime, Matroska, WebM and AVI"
            )
    raise VideoRejected("VIDEO_INVALID", "this is not a video that can be read")


def _mp4_end(file: BinaryIO, size: int) -> int:
    """Give where the last box ends (ISO/IEC 14496-12, 4.2)."""
    at = 0
    for _ in range(MAX_PARTS):
        header = _header(file, at, size, 16)
        length = int.from_bytes(header[:4])
        if length == 1:
            length = int.from_bytes(header[8:])
        if length < 8 or not header[4:8].strip(b" \xa9").isalnum():  # the end, or a box that goes on to it, or nothing of a box
            break
        at += length
    return at


def _movie_s(file: BinaryIO, size: int) -> float | None:
    """Read the length of a movie, in seconds, from its header (ISO/IEC 14496-12, 8.2.2)."""
    at = 0
    for _ in range(MAX_PARTS):
        header = _header(file, at, size, 48)
        if header[4:8] == b"moov" and header[12:16] == b"mvhd":
            numbers = header[28:40] if header[16] == 0 else header[36:48]
            scale, length = int.from_bytes(numbers[:4]), int.from_bytes(numbers[4:8] if header[16] == 0 else numbers[4:])
            return length / scale if scale and length else None
        length = int.from_bytes(header[:4]) if header[:4] != _WIDE else int.from_bytes(header[8:16])
        if length < 8:
            break
        at += length
    return None


def _avi_end(file: BinaryIO, size: int) -> int:
    """Give where the last RIFF chunk ends; files beyond 1 GiB have several."""
    at = 0
    for _ in range(MAX_PARTS):
        header = _header(file, at, size, 8)
        if not header.startswith(b"RIFF"):
            break
        at += 8 + int.from_bytes(header[4:], "little")
    return at


def _header(file: BinaryIO, at: int, size: int, length: int) -> bytes:
    """Read the head of a part; nothing where there is no room for one."""
    if at + 8 > size:
        return b""
    file.seek(at)
    return file.read(length)


def _matroska_end(file: BinaryIO, size: int) -> int:
    """Give where the segment ends (RFC 8794); a live recording does not know it, and then nothing is promised."""
    file.seek(4)
    header_bytes, length = _vint(file)
    at = 4 + header_bytes + (length or 0)
    if _header(file, at, size, 4) != _SEGMENT:
        return 0
    header_bytes, length = _vint(file)
    return 0 if length is None else at + 4 + header_bytes + length


def _vint(file: BinaryIO) -> tuple[int, int | None]:
    """Read a variable-length integer: how many bytes it takes, and its value, None when that is not known."""
    first = file.read(1)
    if not first or not first[0]:
        return 1, None
    width = 9 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0xFF >> width)]) + file.read(width - 1))
    return width, None if value == (1 << 7 * width) - 1 else value


def _ends_in_zeros(file: BinaryIO, size: int) -> bool:
    file.seek(max(0, size - TAIL_BYTES))
    return not any(file.read(TAIL_BYTES))
