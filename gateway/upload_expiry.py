"""Uploads that nobody goes on with are removed, by whichever gateway looks first."""

from __future__ import annotations

import asyncio
import logging
import random
import time

from dispatch.errors import BlobUnavailable
from dispatch.ports import BlobStore
from gateway.upload_target import UPLOADS

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 900.0


async def expire_uploads(blobs: BlobStore, ttl_ns: int) -> None:
    """Look for expired uploads for ever, at random times: a few times in a time to live, but not much more often than needed."""
    pause_s = min(LONGEST_PAUSE_S, ttl_ns / 1e9 / 4)
    while True:
        await asyncio.sleep(random.uniform(0.5, 1.5) * pause_s)
        try:
            await remove_expired(blobs, time.time_ns() - ttl_ns)
        except BlobUnavailable as error:
            log.warning("expired uploads are left for later: %s", error)


async def remove_expired(blobs: BlobStore, before_ns: int) -> None:
    """Remove the uploads whose newest blob is from before then, by the store's clock (nanoseconds since 1970).

    Raises:
        BlobUnavailable: the store did not answer; some may be removed.
    """
    newest: dict[str, int] = {}
    for blob in await blobs.list(UPLOADS):
        folder = "/".join(blob.name.split("/")[:2])
        newest[folder] = max(blob.modified_ns, newest.get(folder, 0))
    for folder, modified_ns in newest.items():
        if modified_ns < before_ns:
            await blobs.delete_prefix(f"{folder}/")
            log.info("an upload has expired: %s", folder)
