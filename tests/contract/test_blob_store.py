"""What every blob store must do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from dispatch.blobs import open_blobs
from dispatch.errors import BlobNotFound, BlobUnavailable, ConfigurationError
from dispatch.ports import CHUNK_BYTES, BlobStore

NAME = "jobs/0123abcd/0/input"
COPY = "jobs/4567cdef/0/input"


async def test_what_is_put_is_got(blobs: BlobStore) -> None:
    await blobs.put(NAME, b"picture")
    assert await blobs.get(NAME) == b"picture"


async def test_put_replaces(blobs: BlobStore) -> None:
    await blobs.put(NAME, b"a longer one")
    await blobs.put(NAME, b"new")
    assert await blobs.get(NAME) == b"new"


@pytest.mark.parametrize("body", [b"", bytes(range(256)) * 80_000], ids=["empty", "20 MB"])
async def test_blobs_are_any_bytes(blobs: BlobStore, body: bytes) -> None:
    await blobs.put(NAME, body)
    assert await blobs.get(NAME) == body


async def test_a_blob_that_is_not_there_is_not_found(blobs: BlobStore) -> None:
    with pytest.raises(BlobNotFound):
        await blobs.get(NAME)


async def chunks_of(blobs: BlobStore, name: str) -> list[bytes]:
    return [chunk async for chunk in blobs.read(name)]


@pytest.mark.parametrize("size", [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 20_480_000])
async def test_a_blob_is_read_in_order_in_chunks_of_a_limited_size(blobs: BlobStore, size: int) -> None:
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    await blobs.put(NAME, body)
    chunks = await chunks_of(blobs, NAME)
    assert b"".join(chunks) == body
    assert all(0 < len(chunk) <= CHUNK_BYTES for chunk in chunks)
    assert max(map(len, chunks)) == min(size, CHUNK_BYTES)


async def test_an_empty_blob_has_no_chunks(blobs: BlobStore) -> None:
    await blobs.put(NAME, b"")
    assert await chunks_of(blobs, NAME) == []


@pytest.mark.parametrize("name", [NAME, "jobs"], ids=["nothing", "a prefix"])
async def test_what_is_not_there_cannot_be_read(blobs: BlobStore, name: str) -> None:
    await blobs.put("jobs/another", b"picture")
    with pytest.raises(BlobNotFound):
        await chunks_of(blobs, name)


async def test_what_is_being_read_stays_as_it_was(blobs: BlobStore) -> None:
    body = b"old" * CHUNK_BYTES
    await blobs.put(NAME, body)
    async with aclosing(blobs.read(NAME)) as reading:
        read = await anext(reading)
        await blobs.put(NAME, b"new")
        await blobs.delete_prefix("jobs/0123abcd/")
        async for chunk in reading:
            read += chunk
    assert read == body


async def test_a_read_can_be_left_early(blobs: BlobStore) -> None:
    await blobs.put(NAME, b"p" * 3 * CHUNK_BYTES)
    async with aclosing(blobs.read(NAME)) as reading:
        assert len(await anext(reading)) == CHUNK_BYTES
    with pytest.raises(StopAsyncIteration):
        await anext(reading)


async def chunks(count: int, size: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
    for number in range(count):
        yield bytes([number % 251]) * size


@pytest.mark.parametrize(("count", "size"), [(0, 1), (1, 1), (3, 0), (80, CHUNK_BYTES), (3, 4_000_000)])
async def test_what_is_written_in_chunks_is_got(blobs: BlobStore, count: int, size: int) -> None:
    await blobs.put(NAME, b"another")
    await blobs.write(NAME, chunks(count, size))
    assert await blobs.get(NAME) == b"".join([chunk async for chunk in chunks(count, size)])


async def test_nothing_is_stored_of_chunks_that_fail_and_their_error_is_passed_on(blobs: BlobStore) -> None:
    async def failing() -> AsyncIterator[bytes]:
        async for chunk in chunks(40):
            yield chunk
        raise BlobNotFound("a chunk")

    await blobs.put(COPY, b"old")
    for name in (NAME, COPY):
        with pytest.raises(BlobNotFound, match="a chunk"):
            await blobs.write(name, failing())
    assert [blob.name for blob in await blobs.list("jobs/")] == [COPY]
    assert await blobs.get(COPY) == b"old"


async def test_nothing_is_stored_of_a_write_that_is_cancelled(blobs: BlobStore) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        async for chunk in chunks(40):
            yield chunk
        begun.set()
        await asyncio.Event().wait()

    writing = asyncio.ensure_future(blobs.write(NAME, endless()))
    await begun.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    with pytest.raises(BlobNotFound):
        await blobs.get(NAME)


async def test_what_is_below_a_prefix_is_listed_with_size_and_time(blobs: BlobStore) -> None:
    for name, body in (("jobs/ab/0/input", b"12345"), ("jobs/ab/1/input", b""), ("jobs/abc/0/input", b"1"), ("other/ab/0", b"1")):
        await blobs.put(name, body)
    listed = sorted(await blobs.list("jobs/ab/"), key=lambda blob: blob.name)
    assert [(blob.name, blob.size_bytes) for blob in listed] == [("jobs/ab/0/input", 5), ("jobs/ab/1/input", 0)]
    assert all(abs(blob.modified_ns - time.time_ns()) < 60e9 for blob in listed)
    assert {blob.name for blob in await blobs.list("jobs/")} == {"jobs/ab/0/input", "jobs/ab/1/input", "jobs/abc/0/input"}
    assert list(await blobs.list("jobs/none/")) == []


async def test_one_blob_is_deleted_and_no_other(blobs: BlobStore) -> None:
    for name in ("jobs/ab/0/input", "jobs/ab/0/input2"):
        await blobs.put(name, b"picture")
    for _ in range(2):
        await blobs.delete("jobs/ab/0/input")
    assert [blob.name for blob in await blobs.list("jobs/")] == ["jobs/ab/0/input2"]


async def test_a_prefix_is_not_a_blob(blobs: BlobStore) -> None:
    await blobs.put(NAME, b"picture")
    with pytest.raises(BlobNotFound):
        await blobs.get("jobs/0123abcd")


async def test_a_copy_is_a_blob_of_its_own(blobs: BlobStore) -> None:
    await blobs.put(NAME, b"picture")
    await blobs.copy(NAME, COPY)
    await blobs.put(NAME, b"changed")
    assert await blobs.get(COPY) == b"picture"
    await blobs.delete_prefix("jobs/0123abcd/")
    assert await blobs.get(COPY) == b"picture"


async def test_a_copy_replaces(blobs: BlobStore) -> None:
    await blobs.put(NAME, b"picture")
    await blobs.put(COPY, b"another")
    for _ in range(2):
        await blobs.copy(NAME, COPY)
    assert await blobs.get(COPY) == b"picture"


async def test_what_is_not_there_cannot_be_copied(blobs: BlobStore) -> None:
    with pytest.raises(BlobNotFound):
        await blobs.copy(NAME, COPY)
    with pytest.raises(BlobNotFound):
        await blobs.get(COPY)


async def test_a_prefix_is_deleted_with_all_below_it_and_nothing_else(blobs: BlobStore) -> None:
    below = [f"jobs/ab/{item}/{what}" for item in range(3) for what in ("input", "annotated")]
    for name in (*below, "jobs/abc/0/input"):
        await blobs.put(name, b"picture")
    await blobs.delete_prefix("jobs/ab/")
    for name in below:
        with pytest.raises(BlobNotFound):
            await blobs.get(name)
    assert await blobs.get("jobs/abc/0/input") == b"picture"


async def test_deleting_what_is_not_there_is_fine(blobs: BlobStore) -> None:
    await blobs.delete_prefix("jobs/none/")


async def test_a_name_can_be_put_again_after_its_prefix_was_deleted(blobs: BlobStore) -> None:
    for body in (b"first", b"second"):
        await blobs.put(NAME, body)
        await blobs.delete_prefix("jobs/0123abcd/")
    await blobs.put(NAME, b"third")
    assert await blobs.get(NAME) == b"third"


async def test_of_puts_at_once_one_wins_whole(blobs: BlobStore) -> None:
    bodies = [bytes([number]) * 100_000 for number in range(8)]
    await asyncio.gather(*(blobs.put(NAME, body) for body in bodies))
    assert await blobs.get(NAME) in bodies


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../up", "jobs/../up", "jobs//input", "jobs/", "a b", "a\\b", "jobs/.hidden", "jobs/a\n", "jöbs"]
)
async def test_names_that_could_lead_elsewhere_are_refused(blobs: BlobStore, name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a blob"):
        await blobs.put(name, b"")
    with pytest.raises(ValueError, match="not the name of a blob"):
        await blobs.get(name)
    with pytest.raises(ValueError, match="not the name of a blob"):
        await chunks_of(blobs, name)
    with pytest.raises(ValueError, match="not the name of a blob"):
        await blobs.copy(NAME, name)
    with pytest.raises(ValueError, match="not the name of a blob"):
        await blobs.write(name, chunks(1))
    with pytest.raises(ValueError, match="not the name of a blob"):
        await blobs.delete(name)


@pytest.mark.parametrize("prefix", ["", "/", "jobs", "../", "jobs/../"])
async def test_prefixes_that_could_delete_something_else_are_refused(blobs: BlobStore, prefix: str) -> None:
    with pytest.raises(ValueError, match="not "):
        await blobs.delete_prefix(prefix)
    with pytest.raises(ValueError, match="not "):
        await blobs.list(prefix)


async def test_a_store_that_works_passes_its_check(blobs: BlobStore) -> None:
    await blobs.check()


async def test_a_store_that_cannot_be_used_says_so(unusable_blobs: BlobStore) -> None:
    with pytest.raises(BlobUnavailable):
        await unusable_blobs.put(NAME, b"picture")
    with pytest.raises(BlobUnavailable):
        await unusable_blobs.write(NAME, chunks(1))
    with pytest.raises(ConfigurationError):
        await unusable_blobs.check()


@pytest.mark.parametrize(
    "url", ["", "/folder", "file://", "file:///", "file://host/folder", "s3://", "s3://bucket?endpont=x", "http://host/x"]
)
def test_addresses_that_are_not_understood_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        open_blobs(url)
