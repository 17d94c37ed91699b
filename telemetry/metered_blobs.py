"""A blob store whose operations are counted and timed."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram

from dispatch.errors import BlobNotFound, DispatchError
from dispatch.ports import Blob, BlobStore
from telemetry.buckets import QUICK_S


class MeteredBlobs:
    """Implements `dispatch.ports.BlobStore` by another."""

    def __init__(self, blobs: BlobStore, registry: CollectorRegistry) -> None:
        self._blobs = blobs
        self._operations = Counter(
            "myeye_blob_operations_total",
            "Operations of the blob store: outcome is ok, not_found, failed or cut.",
            ["operation", "outcome"],
            registry=registry,
        )
        self._durations = Histogram(
            "myeye_blob_operation_duration_seconds",
            "How long operations of the blob store took, whatever their outcome.",
            ["operation"],
            buckets=QUICK_S,
            registry=registry,
        )
        self._bytes = Counter(
            "myeye_blob_bytes_total",
            "Bytes that were written to the blob store or read from it.",
            ["operation"],
            registry=registry,
        )

    async def put(self, name: str, data: bytes) -> None:
        with self._operation("put"):
            await self._blobs.put(name, data)
        self._bytes.labels("put").inc(len(data))

    async def write(self, name: str, chunks: AsyncIterable[bytes]) -> None:
        with self._operation("write"):
            await self._blobs.write(name, self._counted(chunks))

    async def get(self, name: str) -> bytes:
        with self._operation("get"):
            data = await self._blobs.get(name)
        self._bytes.labels("get").inc(len(data))
        return data

    async def read(self, name: str) -> AsyncGenerator[bytes, None]:
        read = self._bytes.labels("read")
        with self._operation("read"):
            async with aclosing(self._blobs.read(name)) as chunks:
                async for chunk in chunks:
                    read.inc(len(chunk))
                    yield chunk

    async def copy(self, source: str, target: str) -> None:
        with self._operation("copy"):
            await self._blobs.copy(source, target)

    async def list(self, prefix: str) -> Sequence[Blob]:
        with self._operation("list"):
            return await self._blobs.list(prefix)

    async def delete(self, name: str) -> None:
        with self._operation("delete"):
            await self._blobs.delete(name)

    async def delete_prefix(self, prefix: str) -> None:
        with self._operation("delete_prefix"):
            await self._blobs.delete_prefix(prefix)

    async def check(self) -> None:
        await self._blobs.check()

    async def _counted(self, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        written = self._bytes.labels("write")
        async for chunk in chunks:
            written.inc(len(chunk))
            yield chunk

    @contextmanager
    def _operation(self, name: str) -> Iterator[None]:
        begun_s, outcome = time.perf_counter(), "cut"
        try:
            yield
            outcome = "ok"
        except BlobNotFound:
            outcome = "not_found"
            raise
        except DispatchError:
            outcome = "failed"
            raise
        finally:
            self._operations.labels(name, outcome).inc()
            self._durations.labels(name).observe(time.perf_counter() - begun_s)
