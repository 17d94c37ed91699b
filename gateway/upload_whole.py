"""The end of an upload: its parts become one blob, checked on the way, which jobs can copy without reading it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from dispatch.errors import BlobUnavailable
from dispatch.media_type import HEAD_BYTES
from dispatch.ports import BlobStore
from gateway.upload_state import DONE, UploadState

log = logging.getLogger(__name__)


class WrongHash(Exception):
    """The whole is not what was announced."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A complete upload: where it lies, and what Submit needs to know of it without reading it."""

    blob: str
    size: int
    sha256: bytes
    head: bytes

    def encode(self) -> bytes:
        """Write it down."""
        told = {"blob": self.blob, "size": self.size, "sha256": self.sha256.hex(), "head": self.head.hex()}
        return json.dumps(told).encode()

    @classmethod
    def decode(cls, body: bytes) -> Whole:
        """Read what was written down."""
        told = json.loads(body)
        return cls(told["blob"], told["size"], bytes.fromhex(told["sha256"]), bytes.fromhex(told["head"]))


async def make_whole(blobs: BlobStore, state: UploadState) -> None:
    """Join the parts of an upload that was received to its last byte, and say so.

    Raises:
        WrongHash: nothing was made of it.
        BlobNotFound: another call has taken away a part, because it had something better.
        BlobUnavailable: the blob store did not answer, or is full.
    """
    blob = f"{state.folder}whole.{secrets.token_hex(8)}"
    digest, head = hashlib.sha256(), bytearray()

    async def checked() -> AsyncGenerator[bytes, None]:
        async with aclosing(_joined(blobs, state)) as chunks:
            async for chunk in chunks:
                if len(head) < HEAD_BYTES:
                    head.extend(chunk[: HEAD_BYTES - len(head)])
                await asyncio.to_thread(digest.update, chunk)
                yield chunk
        if state.sha256 not in ("", digest.hexdigest()):
            raise WrongHash

    async with aclosing(checked()) as chunks:
        await blobs.write(blob, chunks)
    await blobs.put(f"{state.folder}{DONE}", Whole(blob, state.size, digest.digest(), bytes(head)).encode())
    try:
        await blobs.delete_prefix(state.parts)
    except BlobUnavailable as error:
        log.warning("parts below %s are left until the upload expires: %s", state.folder, error)


async def _joined(blobs: BlobStore, state: UploadState) -> AsyncGenerator[bytes, None]:
    position = 0
    for part in state.chain:
        skipped = position - part.start  # parts may overlap
        async with aclosing(blobs.read(part.blob)) as chunks:
            async for chunk in chunks:
                yield chunk[skipped:] if skipped > 0 else chunk
                skipped -= len(chunk)
        position = part.end
