"""Blobs as objects in a bucket of S3 or a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from dispatch.blob_name import check_name, check_prefix
from dispatch.blob_probe import probe
from dispatch.errors import BlobNotFound, BlobUnavailable, ConfigurationError
from dispatch.ports import CHUNK_BYTES, Blob

if TYPE_CHECKING:  # obstore has these for type checkers only
    from obstore.store import ClientConfig, RetryConfig, S3Config

MAX_RETRIES = 3
RETRY_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
TRANSFER_TIMEOUT_S = 60.0
PART_BYTES = 5 * 1024 * 1024
"""The least that S3 takes as a part of a multipart upload that is not its last."""


class BucketBlobs:
    """Implements `dispatch.ports.BlobStore`. Credentials come from the AWS_* environment, as obstore reads it."""

    def __init__(self, bucket: str, prefix: str, *, endpoint: str | None, region: str | None) -> None:
        client: ClientConfig = {
            "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
            "timeout": timedelta(seconds=TRANSFER_TIMEOUT_S),
        }
        config: S3Config = {}
        if endpoint:
            config["endpoint"] = endpoint
            client["allow_http"] = endpoint.startswith("http://")
        if region:
            config["region"] = region
        retry: RetryConfig = {"max_retries": MAX_RETRIES, "retry_timeout": timedelta(seconds=RETRY_TIMEOUT_S)}
        self._store = S3Store(bucket, prefix=prefix or None, config=config, client_options=client, retry_config=retry)

    async def put(self, name: str, data: bytes) -> None:
        check_name(name)
        with _translated(name):
            await self._store.put_async(name, data, use_multipart=False)

    async def write(self, name: str, chunks: AsyncIterable[bytes]) -> None:
        check_name(name)
        with _translated(name):
            await self._store.put_async(name, chunks, use_multipart=True, chunk_size=PART_BYTES, max_concurrency=2)

    async def get(self, name: str) -> bytes:
        check_name(name)
        with _translated(name, missing=BlobNotFound):
            result = await self._store.get_async(name)
            return bytes(await result.bytes_async())

    async def read(self, name: str) -> AsyncGenerator[bytes, None]:
        check_name(name)
        with _translated(name, missing=BlobNotFound):
            result = await self._store.get_async(name)
            async for received in result.stream(min_chunk_size=CHUNK_BYTES):  # may be more, by as much as came at once
                view = memoryview(received)
                for start in range(0, len(view), CHUNK_BYTES):
                    yield bytes(view[start : start + CHUNK_BYTES])

    async def copy(self, source: str, target: str) -> None:
        check_name(source)
        check_name(target)
        with _translated(source, missing=BlobNotFound):
            await self._store.copy_async(source, target)

    async def list(self, prefix: str) -> Sequence[Blob]:
        check_prefix(prefix)
        with _translated(prefix):
            objects = await self._store.list(prefix).collect_async()
        return [Blob(each["path"], each["size"], int(each["last_modified"].timestamp() * 1e9)) for each in objects]

    async def delete(self, name: str) -> None:
        check_name(name)
        with _translated(name):
            await self._store.delete_async(name)

    async def delete_prefix(self, prefix: str) -> None:
        check_prefix(prefix)
        with _translated(prefix):
            objects = await self._store.list(prefix).collect_async()
            await self._store.delete_async([each["path"] for each in objects])

    async def check(self) -> None:
        try:
            await probe(self)
        except BlobUnavailable as error:
            if isinstance(error.__cause__, (FileNotFoundError, PermissionDeniedError, UnauthenticatedError)):
                raise ConfigurationError(f"the bucket cannot be used for blobs: {error}") from error
            raise


@contextmanager
def _translated(name: str, *, missing: type[BlobNotFound | BlobUnavailable] = BlobUnavailable) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:  # what obstore raises for 404, of an object or the bucket
        raise missing(f"{name}: {error}") from error
    except (BaseError, OSError) as error:
        raise BlobUnavailable(f"{name}: {error}") from error
