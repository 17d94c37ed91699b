"""Addresses to blob stores."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from dispatch.blob_bucket import BucketBlobs
from dispatch.blob_folder import FolderBlobs
from dispatch.errors import ConfigurationError
from dispatch.ports import BlobStore


def open_blobs(url: str) -> BlobStore:
    """Give the blob store at `url`: "file:///folder" or "s3://bucket/prefix?endpoint=http://…&region=…".

    Nothing is touched yet; `BlobStore.check` tells whether it can be used.

    Raises:
        ConfigurationError: the address is not understood.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.strip("/"):
        return FolderBlobs(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        return _bucket(parts)
    raise ConfigurationError(f"no blob store for {url!r}: it must be file:///folder or s3://bucket/prefix")


def _bucket(parts: SplitResult) -> BucketBlobs:
    settings = dict(parse_qsl(parts.query))
    endpoint, region = settings.pop("endpoint", None), settings.pop("region", None)
    if settings:
        raise ConfigurationError(f"an s3:// address takes endpoint and region, not {', '.join(sorted(settings))}")
    return BucketBlobs(parts.netloc, parts.path.strip("/"), endpoint=endpoint, region=region)
