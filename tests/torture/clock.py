"""A wall clock that jumps. The offset is in a file that the process maps, so that it takes effect at once."""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

VARIABLE = "MYEYE_TORTURE_CLOCK"
_OFFSET = struct.Struct("=q")
"""Nanoseconds by which the clock is ahead."""


def set_clock(file: Path, ahead_s: float) -> None:
    """Set the clock of those who map the file."""
    with file.open("r+b") as opened:
        opened.write(_OFFSET.pack(round(ahead_s * 1e9)))


def new_clock(file: Path) -> dict[str, str]:
    """Make a clock that is right; give the environment of the process that shall live by it."""
    file.write_bytes(_OFFSET.pack(0))
    return {VARIABLE: str(file)}


def bend_clock() -> None:
    """Let this process live by the clock that its environment names. Monotonic clocks are left alone, as by a real jump."""
    with Path(os.environ[VARIABLE]).open("rb") as opened:
        view = mmap.mmap(opened.fileno(), _OFFSET.size, prot=mmap.PROT_READ)
    true_ns = time.time_ns

    def time_ns() -> int:
        return true_ns() + int(_OFFSET.unpack_from(view)[0])

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9
