"""The bytes of one call, as they become durable."""

from __future__ import annotations

import asyncio

from dispatch.errors import BlobNotFound
from dispatch.ports import BlobStore
from gateway.upload_state import Part, UploadState

PART_BYTES = 4 * 1024 * 1024
"""Bytes are made durable in parts of this size: at most two of them are in memory, one that fills and one that is stored."""
SMALL_BYTES = 256 * 1024
"""A last part that is smaller is joined with what follows it, so that many small calls do not leave as many parts."""


class Intake:
    """Takes what follows `offset`, skips what is durable already, and stores the rest in parts.

    Parts are stored whatever becomes of the call that brought their bytes; `keep` stores what is left.
    """

    def __init__(self, blobs: BlobStore, state: UploadState, offset: int) -> None:
        self._blobs = blobs
        self._state = state
        self._position = offset
        self._start = state.received
        self._pieces: list[memoryview] = []
        self._held = 0
        self._small: Part | None = None
        self._joined = False
        self._storing: asyncio.Task[None] | None = None

    @property
    def position(self) -> int:
        """Where the next byte belongs."""
        return self._position

    async def take(self, data: bytes) -> None:
        """Take the next bytes; return when there is room for more.

        Raises:
            BlobUnavailable: a part cannot be stored.
        """
        skipped = max(0, self._start + self._held - self._position)
        self._position += len(data)
        fresh = memoryview(data)[skipped:]
        if fresh and not self._joined:
            await self._join_small()
        while fresh:
            room = PART_BYTES - self._held
            self._pieces.append(fresh[:room])
            self._held += len(self._pieces[-1])
            fresh = fresh[room:]
            if self._held == PART_BYTES:
                await self._store()

    async def keep(self) -> None:
        """Return when all that was taken is durable. Raises as `take`."""
        if self._held:
            await self._store()
        await self._settle()

    async def _join_small(self) -> None:
        self._joined = True
        if not self._state.chain or self._state.complete:
            return
        last = self._state.chain[-1]
        if last.end - last.start >= SMALL_BYTES:
            return
        try:
            self._pieces = [memoryview(await self._blobs.get(last.blob))]
        except BlobNotFound:  # another call has joined it meanwhile
            return
        self._small, self._start, self._held = last, last.start, last.end - last.start

    async def _store(self) -> None:
        part = self._state.part(self._start, self._start + self._held)
        body = b"".join(self._pieces)
        self._start, self._pieces, self._held = part.end, [], 0
        await self._settle()
        self._storing = asyncio.ensure_future(self._put(part, body))

    async def _settle(self) -> None:
        if self._storing is not None:
            await asyncio.shield(self._storing)
            self._storing = None

    async def _put(self, part: Part, body: bytes) -> None:
        await self._blobs.put(part.blob, body)
        if self._small is not None:
            small, self._small = self._small, None
            await self._blobs.delete(small.blob)
