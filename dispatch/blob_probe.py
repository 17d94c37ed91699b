"""Trying a blob store out."""

from __future__ import annotations

import secrets

from dispatch.errors import BlobUnavailable
from dispatch.ports import BlobStore


async def probe(store: BlobStore) -> None:
    """Write, read and delete a blob of our own.

    Raises:
        BlobUnavailable: one of these failed, or other bytes were read than were written.
    """
    folder, body = f"probe/{secrets.token_hex(8)}", secrets.token_bytes(16)
    await store.put(f"{folder}/body", body)
    if await store.get(f"{folder}/body") != body:
        raise BlobUnavailable("the blob store gave back other bytes than it was given")
    await store.delete_prefix(f"{folder}/")
