"""How many bytes each principal has in uploads: counted from the names of their blobs, now and then."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from dispatch.ports import BlobStore
from gateway.upload_target import UPLOADS, owner_segment, read_what

FRESH_S = 5.0


class UploadTally:
    """Counts an upload as large as it was announced, from its first byte on until it expires.

    What is begun here is known at once; what is begun on other gateways, within FRESH_S seconds.
    """

    def __init__(self, blobs: BlobStore, *, clock: Callable[[], float] = monotonic) -> None:
        self._blobs = blobs
        self._clock = clock
        self._sizes: dict[str, dict[str, int]] = {}
        """By owner and folder, as they were counted last."""
        self._begun: defaultdict[str, dict[str, int]] = defaultdict(dict)
        """Those that were begun here and may not have been counted yet."""
        self._ended: set[tuple[str, str]] = set()
        """Of these, the calls that have ended: the next count finds what they have left."""
        self._counted_s: float | None = None
        self._counting: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Count, unless that was done a moment ago.

        Raises:
            BlobUnavailable: the blob store did not answer.
        """
        if self._counted_s is not None and self._clock() - self._counted_s < FRESH_S:
            return
        if self._counting is None or self._counting.done():
            self._counting = asyncio.ensure_future(self._count())
        await asyncio.shield(self._counting)

    def of(self, principal: str, *, without: str = "") -> int:
        """Give the bytes of a principal's uploads, as they were counted last; `without` is the folder of one to leave out."""
        owner = owner_segment(principal)
        known = {**self._sizes.get(owner, {}), **self._begun.get(owner, {})}
        return sum(known.values()) - known.get(without, 0)

    @contextmanager
    def begun(self, principal: str, folder: str, size: int) -> Iterator[None]:
        """Count an upload whose first bytes come while the context lasts."""
        owner = owner_segment(principal)
        self._begun[owner][folder] = size
        self._ended.discard((owner, folder))
        try:
            yield
        finally:
            self._ended.add((owner, folder))

    async def _count(self) -> None:
        ended, begun_s = frozenset(self._ended), self._clock()
        sizes: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for blob in await self._blobs.list(UPLOADS):
            segments = blob.name.split("/", 3)
            if len(segments) == 4 and (what := read_what(segments[2])):
                owner = segments[1].partition(".")[0]
                sizes[owner][f"{UPLOADS}{segments[1]}/{segments[2]}/"] = what[0]
        self._sizes, self._counted_s = sizes, begun_s
        for owner, folder in ended & self._ended:
            self._ended.discard((owner, folder))
            self._begun[owner].pop(folder, None)
            if not self._begun[owner]:
                del self._begun[owner]
