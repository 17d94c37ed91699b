"""Blobs as files in a folder, which all processes must see: one machine, or a shared file system."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import shutil
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path

from dispatch.blob_name import check_name, check_prefix
from dispatch.blob_probe import probe
from dispatch.errors import BlobNotFound, BlobUnavailable, ConfigurationError
from dispatch.folders import make_folder, sync_folder
from dispatch.ports import CHUNK_BYTES, Blob

SHARDS = 256
SHARD_PATTERN = "[0-9a-f][0-9a-f]"
LEFT_BEHIND_S = 86_400.0
"""After this long nobody writes on to a temporary file that has not grown."""
OPERATOR_MUST_ACT = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST})
"""Not allowed, read-only, or a file where a folder should be."""


class FolderBlobs:
    """Implements `dispatch.ports.BlobStore`.

    All blobs of a job lie in one of 256 folders, under file names that spell the blob's whole name with "~" for "/". So a
    put makes no folder, and syncs two things: the file and the folder that it is in. It is written under a temporary name
    and renamed, so a reader sees the old bytes or the new ones and a hard link keeps what it was made of.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._durable: set[Path] = set()
        """Folders whose own entries are known to be on disk."""

    async def put(self, name: str, data: bytes) -> None:
        target = self._file(check_name(name))
        await asyncio.to_thread(self._put, target, data)

    async def write(self, name: str, chunks: AsyncIterable[bytes]) -> None:
        target = self._file(check_name(name))
        temporary = _temporary(target)
        handle = await asyncio.to_thread(self._begin, temporary)
        try:
            async for chunk in chunks:
                await asyncio.to_thread(_append, temporary, handle, chunk)
            await asyncio.to_thread(_finish, temporary, handle, target)
        finally:
            await asyncio.to_thread(_abandon, temporary, handle)

    async def get(self, name: str) -> bytes:
        source = self._file(check_name(name))
        return await asyncio.to_thread(_get, source)

    async def read(self, name: str) -> AsyncGenerator[bytes, None]:
        source = self._file(check_name(name))
        handle = await asyncio.to_thread(_open, source)
        try:
            while chunk := await asyncio.to_thread(_read, source, handle):
                yield chunk
        finally:
            await asyncio.to_thread(handle.close)  # which waits for a read that was left behind

    async def copy(self, source: str, target: str) -> None:
        paths = self._file(check_name(source)), self._file(check_name(target))
        await asyncio.to_thread(self._copy, *paths)

    async def list(self, prefix: str) -> Sequence[Blob]:
        return await asyncio.to_thread(self._list, check_prefix(prefix))

    async def delete(self, name: str) -> None:
        file = self._file(check_name(name))
        await asyncio.to_thread(_unlink, file)

    async def delete_prefix(self, prefix: str) -> None:
        await asyncio.to_thread(self._delete, check_prefix(prefix))

    async def check(self) -> None:
        try:
            await probe(self)
        except BlobUnavailable as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in OPERATOR_MUST_ACT:
                raise ConfigurationError(f"{self._root} cannot be used for blobs: {error}") from error
            raise
        await asyncio.to_thread(self._sweep)

    def _file(self, name: str) -> Path:
        return self._folder(name) / name.replace("/", "~")

    def _folder(self, name: str) -> Path:
        """Give the folder of a name, by its first two segments: a job's own."""
        job = "/".join(name.split("/")[:2])
        return self._root / f"{zlib.crc32(job.encode()) % SHARDS:02x}"

    def _folders(self, prefix: str) -> Iterable[Path]:
        """List the folders in which names with the prefix can be."""
        return (self._folder(prefix),) if prefix.count("/") >= 2 else self._root.glob(SHARD_PATTERN)

    def _put(self, target: Path, data: bytes) -> None:
        with _translated(target), self._place(target) as temporary:
            _write(temporary, data)

    def _begin(self, temporary: Path) -> BufferedWriter:
        with _translated(temporary):
            self._make(temporary.parent)
            return temporary.open("xb")

    def _copy(self, source: Path, target: Path) -> None:
        with _translated(source), self._place(target) as temporary:
            _link(source, temporary)

    @contextmanager
    def _place(self, target: Path) -> Iterator[Path]:
        temporary = _temporary(target)
        self._make(target.parent)
        try:
            yield temporary
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(target.parent)

    def _make(self, folder: Path) -> None:
        if folder in self._durable and folder.is_dir():
            return
        make_folder(folder)
        sync_folder(self._root)  # even if it was there: whoever made it may not have come to this line yet
        self._durable.add(folder)

    def _list(self, prefix: str) -> Sequence[Blob]:
        start = prefix.replace("/", "~")
        with _translated(self._root):
            return [
                Blob(file.name.replace("~", "/"), status.st_size, status.st_mtime_ns)
                for folder in self._folders(prefix)
                for file in _listed(folder, start)
                if (status := _status(file))
            ]

    def _sweep(self) -> None:
        """Remove what processes left half-written that were killed."""
        with _translated(self._root):
            for folder in self._root.glob(SHARD_PATTERN):
                for file in _listed(folder, "."):
                    if (status := _status(file)) and time.time() - status.st_mtime > LEFT_BEHIND_S:
                        file.unlink(missing_ok=True)

    def _delete(self, prefix: str) -> None:
        start = prefix.replace("/", "~")
        with _translated(self._root):
            for folder in self._folders(prefix):
                for file in _listed(folder, start, f".{start}"):
                    file.unlink(missing_ok=True)


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(8)}")


def _append(temporary: Path, handle: BufferedWriter, chunk: bytes) -> None:
    with _translated(temporary):
        handle.write(chunk)


def _finish(temporary: Path, handle: BufferedWriter, target: Path) -> None:
    with _translated(target):
        handle.flush()
        os.fsync(handle)
        temporary.replace(target)
        sync_folder(target.parent)


def _abandon(temporary: Path, handle: BufferedWriter) -> None:
    with suppress(OSError):  # what it could not write it was told already
        handle.close()  # which waits for a write that was left behind
    with suppress(OSError):
        temporary.unlink(missing_ok=True)


def _unlink(file: Path) -> None:
    with _translated(file):
        file.unlink(missing_ok=True)


def _write(file: Path, data: bytes) -> None:
    with file.open("xb", buffering=0) as handle:
        view = memoryview(data)
        while view:
            view = view[handle.write(view) :]
        os.fsync(handle)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileNotFoundError as error:
        raise BlobNotFound(str(source)) from error
    except OSError:  # the file system knows no links, or this file has too many
        with source.open("rb") as reading, target.open("xb") as writing:
            shutil.copyfileobj(reading, writing, CHUNK_BYTES)
            writing.flush()
            os.fsync(writing)


def _get(source: Path) -> bytes:
    with _open(source) as handle, _translated(source):
        return handle.read()


def _open(source: Path) -> BufferedReader:
    with _translated(source):
        try:
            return source.open("rb")
        except (FileNotFoundError, IsADirectoryError) as error:
            raise BlobNotFound(str(source)) from error


def _listed(folder: Path, *starts: str) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder) if name.startswith(starts)]  # noqa: PTH208 - most are others'
    except FileNotFoundError:
        return []


def _status(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except FileNotFoundError:  # deleted meanwhile
        return None


def _read(source: Path, handle: BufferedReader) -> bytes:
    with _translated(source):
        return handle.read(CHUNK_BYTES)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BlobUnavailable(f"{path}: {error.strerror}") from error
