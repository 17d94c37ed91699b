"""What a folder of blobs leaves on the disk."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from dispatch.blob_folder import LEFT_BEHIND_S, FolderBlobs
from dispatch.errors import BlobNotFound, BlobUnavailable, ConfigurationError
from dispatch.ports import Blob
from tests.torture.disk import Disk, Trouble


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()]


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def put_a_folder_in_its_place(folder: Path) -> None:
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    file.unlink()
    file.mkdir()


async def test_a_blob_is_a_file_of_its_name_and_nothing_temporary_is_left(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    for _ in range(2):
        await blobs.put("jobs/a/0/input", b"picture")
        await blobs.copy("jobs/a/0/input", "jobs/b/0/input")
        await blobs.copy("jobs/a/0/input", "jobs/b/0/input")  # to the link that is there already
    assert files(tmp_path) == ["jobs~a~0~input", "jobs~b~0~input"]


async def test_all_blobs_of_a_job_lie_in_one_folder(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    for name in ("jobs/a/0/input", "jobs/a/0/annotated", "jobs/a/1/deeper/input"):
        await blobs.put(name, b"picture")
    assert len(folders(tmp_path)) == 1


async def test_a_short_prefix_reaches_into_every_folder(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    for job in range(20):
        await blobs.put(f"jobs/{job}/input", b"picture")
    await blobs.put("other/1/input", b"picture")
    await blobs.delete_prefix("jobs/")
    assert files(tmp_path) == ["other~1~input"]


async def test_what_fails_leaves_nothing_temporary(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    await blobs.put("jobs/a/0/input", b"picture")
    put_a_folder_in_its_place(tmp_path)
    with pytest.raises(BlobUnavailable):
        await blobs.put("jobs/a/0/input", b"picture")
    with pytest.raises(BlobUnavailable):
        await blobs.write("jobs/a/0/input", chunks(b"picture"))
    with pytest.raises(BlobNotFound):
        await blobs.copy("jobs/none", "jobs/a/0/copy")
    assert files(tmp_path) == []


@pytest.mark.parametrize("trouble", [Trouble.FULL, Trouble.READ_ONLY])
async def test_a_sick_disk_refuses_changes_keeps_what_there_was_and_goes_on_to_be_read(tmp_path: Path, trouble: Trouble) -> None:
    blobs = FolderBlobs(tmp_path)
    await blobs.put("jobs/a/0/input", b"before")
    with Disk(tmp_path, lambda _: trouble).mounted():
        for change in (
            blobs.put("jobs/a/0/input", b"after"),
            blobs.put("jobs/new/0/input", b"new"),
            blobs.write("jobs/a/0/input", chunks(b"a", b"f" * 100_000, b"ter")),
            blobs.copy("jobs/a/0/input", "jobs/b/0/input"),
        ):
            with pytest.raises(BlobUnavailable, match=r"No space left on device|Read-only file system"):
                await change
        assert await blobs.get("jobs/a/0/input") == b"before"
        assert [blob.name for blob in await blobs.list("jobs/")] == ["jobs/a/0/input"]
    assert files(tmp_path) == ["jobs~a~0~input"]


async def test_what_a_full_disk_has_can_be_removed_and_what_a_read_only_one_has_can_not(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    await blobs.put("jobs/a/0/input", b"picture")
    with Disk(tmp_path, lambda _: Trouble.READ_ONLY).mounted(), pytest.raises(BlobUnavailable):
        await blobs.delete_prefix("jobs/a/")
    with Disk(tmp_path, lambda _: Trouble.FULL).mounted():
        await blobs.delete_prefix("jobs/a/")
    assert files(tmp_path) == []


async def test_a_read_only_store_is_told_to_the_operator_and_a_full_one_may_get_room(tmp_path: Path) -> None:
    with Disk(tmp_path, lambda _: Trouble.READ_ONLY).mounted(), pytest.raises(ConfigurationError, match="Read-only"):
        await FolderBlobs(tmp_path).check()
    with Disk(tmp_path, lambda _: Trouble.FULL).mounted(), pytest.raises(BlobUnavailable, match="No space left"):
        await FolderBlobs(tmp_path).check()


async def test_a_file_that_can_have_no_more_links_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMLINK, "Too many links")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    blobs = FolderBlobs(tmp_path)
    await blobs.write("jobs/a/0/input", chunks(b"a" * 300_000, b"b"))
    await blobs.copy("jobs/a/0/input", "jobs/b/0/input")
    assert await blobs.get("jobs/b/0/input") == b"a" * 300_000 + b"b"


async def test_what_is_half_written_is_neither_listed_nor_left(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    seen: list[Sequence[Blob]] = []

    async def looking() -> AsyncIterator[bytes]:
        yield b"p" * 1_000_000
        seen.append(await blobs.list("jobs/"))
        assert len(files(tmp_path)) == 1

    await blobs.write("jobs/a/0/input", looking())
    assert seen == [[]]
    assert files(tmp_path) == ["jobs~a~0~input"]


async def test_what_was_left_half_written_a_day_ago_is_removed_by_the_check(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    await blobs.put("jobs/a/0/input", b"picture")
    (shard,) = folders(tmp_path)
    for name, age_s in ((".jobs~b~0~input.0011", 0.0), (".jobs~c~0~input.2233", LEFT_BEHIND_S + 60)):
        (shard / name).write_bytes(b"pic")
        os.utime(shard / name, (time.time() - age_s,) * 2)
    os.utime(shard / "jobs~a~0~input", (0, 0))
    await blobs.check()
    assert files(tmp_path) == [".jobs~b~0~input.0011", "jobs~a~0~input"]


async def test_another_store_on_the_folder_may_delete_meanwhile(tmp_path: Path) -> None:
    ours, theirs = FolderBlobs(tmp_path), FolderBlobs(tmp_path)
    await ours.put("jobs/a/0/input", b"picture")
    await theirs.delete_prefix("jobs/a/")
    await ours.put("jobs/a/0/input", b"again")
    assert await theirs.get("jobs/a/0/input") == b"again"
