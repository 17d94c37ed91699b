"""A disk below the blobs that is full, read-only or slow, as a file system tells it, without a mount.

What is wrong is in a file that the processes map, so that it takes effect at once, and on files that are open already.
"""

from __future__ import annotations

import errno
import io
import mmap
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

STATE_VARIABLE = "MYEYE_TORTURE_DISK"
ROOT_VARIABLE = "MYEYE_TORTURE_DISK_ROOT"
CALLS = ("open", "replace", "hardlink_to", "unlink", "mkdir")
SLOW_S = 1.5
"""What opening and renaming take then."""


class Trouble(IntEnum):
    """What the disk does."""

    NONE = 0
    FULL = 1
    READ_ONLY = 2
    SLOW = 3


def trouble_disk(state: Path, trouble: Trouble) -> None:
    """Trouble those who map the file, or no more."""
    with state.open("r+b") as opened:
        opened.write(bytes([trouble]))


def new_disk(state: Path, root: Path) -> dict[str, str]:
    """Make a disk that is well; give the environment of the processes whose blobs are below `root`, on it."""
    state.write_bytes(bytes([Trouble.NONE]))
    return {STATE_VARIABLE: str(state), ROOT_VARIABLE: str(root)}


def bend_disk() -> None:
    """Let this process have its blobs on the disk that its environment names, if it names one."""
    if STATE_VARIABLE not in os.environ:
        return
    with Path(os.environ[STATE_VARIABLE]).open("rb") as opened:
        view = mmap.mmap(opened.fileno(), 1, prot=mmap.PROT_READ)
    Disk(Path(os.environ[ROOT_VARIABLE]), lambda _: Trouble(view[0])).mount()


class Disk:
    """Stands between pathlib and the files below a folder, for the few calls that the blob store makes.

    `trouble` says what is wrong, of each file.
    """

    def __init__(self, root: Path, trouble: Callable[[Path], Trouble]) -> None:
        self._root = root
        self.trouble = trouble

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Be there as long as the context."""
        true = {name: getattr(Path, name) for name in CALLS}
        self.mount()
        try:
            yield
        finally:
            for name, call in true.items():
                setattr(Path, name, call)

    def mount(self) -> None:
        """Take the place of pathlib's own calls, in the whole process."""
        for name in CALLS[1:]:
            setattr(Path, name, self._before(name, getattr(Path, name)))
        true_open = Path.open

        def open_file(path: Path, mode: str = "r", buffering: int = -1, *rest: Any, **named: Any) -> Any:
            if not path.is_relative_to(self._root):
                return true_open(path, mode, buffering, *rest, **named)
            self._meet(path, changes="r" not in mode)
            if mode != "xb":
                return true_open(path, mode, buffering, *rest, **named)
            raw = _File(path, self)
            return raw if buffering == 0 else io.BufferedWriter(raw)

        Path.open = open_file  # type: ignore[method-assign]

    def _before(self, name: str, true: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Path, *rest: Any, **named: Any) -> Any:
            if path.is_relative_to(self._root):
                # what is not there cannot be removed, and what is there cannot be made, on any disk
                self._meet(path, changes={"unlink": path.exists(), "mkdir": not path.exists()}.get(name, True))
                if name == "hardlink_to" and self.trouble(path) is Trouble.FULL:
                    raise _error(errno.ENOSPC, path)
            return true(path, *rest, **named)

        return call

    def _meet(self, path: Path, *, changes: bool) -> None:
        trouble = self.trouble(path)
        if trouble is Trouble.READ_ONLY and changes:
            raise _error(errno.EROFS, path)
        if trouble is Trouble.SLOW:
            time.sleep(SLOW_S)


class _File(io.FileIO):
    """A new file. On a full disk the first half of what is written still fits."""

    def __init__(self, path: Path, disk: Disk) -> None:
        super().__init__(path, "x")
        self._path, self._disk = path, disk

    def write(self, data: Any) -> int:
        trouble = self._disk.trouble(self._path)
        if trouble is Trouble.READ_ONLY:
            raise _error(errno.EROFS, self._path)
        if trouble is Trouble.FULL:
            super().write(memoryview(data)[: len(data) // 2])
            raise _error(errno.ENOSPC, self._path)
        return super().write(data)


def _error(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))
