"""Telling whether a file has changed."""

from __future__ import annotations

from pathlib import Path


def stamp(file: Path) -> object:
    """Give what differs when a file was written or replaced, and is the same as long as it cannot be looked at."""
    try:
        status = file.stat()
    except OSError as error:
        return str(error)
    return status.st_mtime_ns, status.st_size, status.st_ino
