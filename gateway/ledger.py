"""Whether a principal may have more: the quotas on jobs, items and stored bytes.

What a principal has stands in the log, so every gateway knows it. A job is checked twice: before its pictures are stored, with
all that is being made on this gateway counted too, so that in vain is stored what two gateways let pass at the same moment and
no more; and when it comes out of the log, where its place decides. That is the same place for every gateway: so
however many of them are at work, no more is accepted than the quota allows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dispatch.events import Accepted
from dispatch.fold import Change
from gateway.errors import Exhausted
from gateway.holdings import NOTHING, Held
from gateway.quotas import Quotas
from gateway.store import Store
from gateway.upload_tally import UploadTally

ENDS_WAIT_S = 2.0
"""What is told to wait for the end of a job."""
BYTES_WAIT_S = 30.0
"""And for the removal of one."""


@dataclass(slots=True)
class Claim:
    """What a job will take, until the log tells of the job itself. `excess` is set then, when it was too much."""

    principal: str
    wanted: Held
    calls: int = 0
    excess: Exhausted | None = None


class Ledger:
    """What principals have, and are about to have on this gateway, held against their quotas.

    `on_refused` hears of each job and upload for which there was no room.
    """

    def __init__(
        self, store: Store, quotas: Quotas, uploads: UploadTally, on_refused: Callable[[Exhausted], None] = lambda _: None
    ) -> None:
        self._on_refused = on_refused
        self._store = store
        self._quotas = quotas
        self._uploads = uploads
        self._claims: dict[str, Claim] = {}
        store.observers.append(self._on_change)

    @asynccontextmanager
    async def claim(self, principal: str, job_id: str, *, items: int, size: int) -> AsyncIterator[Claim]:
        """Keep room for a job while it is made. Calls that make the same job keep it once.

        Raises:
            Exhausted: there is no room.
            BlobUnavailable: the blob store did not answer.
        """
        quota = self._quotas.of(principal)
        if not (quota.jobs or quota.items or quota.bytes):
            yield Claim(principal, NOTHING)
            return
        await self._count_uploads(principal)
        claim = self._claims.get(job_id)
        if claim is None:
            claim = Claim(principal, Held(1, items, size))
            if excess := self._excess(principal, self._claimed(principal) + claim.wanted):
                raise self.refused(excess)
            self._claims[job_id] = claim
        claim.calls += 1
        try:
            yield claim
        finally:
            claim.calls -= 1
            if not claim.calls:
                del self._claims[job_id]

    @asynccontextmanager
    async def upload(self, principal: str, folder: str, size: int) -> AsyncIterator[None]:
        """Keep room for an upload that begins. Raises as `claim`."""
        await self._count_uploads(principal)
        if excess := self._excess(principal, self._claimed(principal) + Held(bytes=size), upload=folder):
            raise self.refused(excess)
        if not self._quotas.of(principal).bytes:
            yield
            return
        with self._uploads.begun(principal, folder, size):
            yield

    def limits_bytes(self, principal: str) -> bool:
        """Tell whether what a principal stores is limited."""
        return bool(self._quotas.of(principal).bytes)

    def refused(self, excess: Exhausted) -> Exhausted:
        """Take note that something was refused for it, and give it back to be raised."""
        self._on_refused(excess)
        return excess

    def held(self, principal: str) -> Held:
        """Tell what a principal has, uploads included as they were counted last: that is done if its bytes are limited."""
        return self._store.holdings.of(principal) + Held(bytes=self._uploads.of(principal))

    async def _count_uploads(self, principal: str) -> None:
        if self._quotas.of(principal).bytes:
            await self._uploads.refresh()

    def _on_change(self, change: Change) -> None:
        if self._claims and isinstance(change.event, Accepted) and (claim := self._claims.get(change.event.job_id)):
            claim.wanted = NOTHING
            claim.excess = self._excess(claim.principal, NOTHING)

    def _claimed(self, principal: str) -> Held:
        claimed = NOTHING
        for claim in self._claims.values():
            if claim.principal == principal:
                claimed += claim.wanted
        return claimed

    def _excess(self, principal: str, more: Held, *, upload: str = "") -> Exhausted | None:
        """Tell what would be too much if the principal had more; an upload that is part of it is counted once."""
        return next(self._excesses(principal, more, upload), None)

    def _excesses(self, principal: str, more: Held, upload: str) -> Iterator[Exhausted]:
        quota = self._quotas.of(principal)
        held = self._store.holdings.of(principal)
        will = held + more
        if quota.jobs and will.jobs > quota.jobs:
            yield _exhausted("QUOTA_JOBS", "jobs that have not ended", quota.jobs, held.jobs, ENDS_WAIT_S)
        if quota.items and will.items > quota.items:
            yield _exhausted("QUOTA_ITEMS", "items that have not ended", quota.items, held.items, ENDS_WAIT_S)
        if quota.bytes:
            uploaded = self._uploads.of(principal, without=upload)
            if will.bytes + uploaded > quota.bytes:
                yield _exhausted("QUOTA_BYTES", "stored bytes", quota.bytes, held.bytes + uploaded, BYTES_WAIT_S)


def _exhausted(reason: str, what: str, limit: int, used: int, wait_s: float) -> Exhausted:
    return Exhausted(reason, f"at most {limit} {what} are allowed, and there are {used}", limit=limit, wait_s=wait_s)
