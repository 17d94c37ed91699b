"""What is counted of a blob store's operations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from dispatch.blobs import open_blobs
from dispatch.errors import BlobNotFound
from telemetry.metered_blobs import MeteredBlobs


async def test_operations_are_counted_by_their_outcome_and_bytes_by_their_way(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    blobs = MeteredBlobs(open_blobs(f"file://{tmp_path}"), registry)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"abc"
        yield b"de"

    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        raise ValueError("cut")

    await blobs.put("jobs/a/0/input", b"1234")
    await blobs.write("jobs/a/1/input", chunks())
    with pytest.raises(ValueError, match="cut"):
        await blobs.write("jobs/a/2/input", broken())
    await blobs.copy("jobs/a/0/input", "jobs/a/3/input")
    assert await blobs.get("jobs/a/0/input") == b"1234"
    assert b"".join([chunk async for chunk in blobs.read("jobs/a/1/input")]) == b"abcde"
    with pytest.raises(BlobNotFound):
        await blobs.get("jobs/a/9/input")
    assert len(await blobs.list("jobs/")) == 3
    await blobs.delete("jobs/a/0/input")
    await blobs.delete_prefix("jobs/a/")

    def operations(operation: str, outcome: str) -> float | None:
        return registry.get_sample_value("myeye_blob_operations_total", {"operation": operation, "outcome": outcome})

    def moved(operation: str) -> float | None:
        return registry.get_sample_value("myeye_blob_bytes_total", {"operation": operation})

    for operation in ("put", "write", "copy", "get", "read", "list", "delete", "delete_prefix"):
        assert operations(operation, "ok") == 1
    assert operations("get", "not_found") == 1
    assert operations("write", "cut") == 1
    assert [moved(operation) for operation in ("put", "write", "get", "read")] == [4, 6, 4, 5]
    assert registry.get_sample_value("myeye_blob_operation_duration_seconds_count", {"operation": "get"}) == 2
