"""What the worker knows of the log: whose item is whose, and which jobs have ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dispatch.events import Accepted, Cancelled, Purged, Refused
from dispatch.fold import Change
from dispatch.journal import Journal
from dispatch.lifecycle import Item, Job, State
from dispatch.ports import EventLog

ENDED_JOBS = 100_000


class ItemLost(Exception):
    """The item no longer belongs to this run: its job was ended, or another run has it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One run of one item of a job."""

    job_id: str
    item: int
    run_id: str


@dataclass(frozen=True, slots=True)
class _Hold:
    claim: Claim
    scope: asyncio.Timeout


class View:
    """The journal of a worker. It keeps jobs that are under way, and of the others only that they ended."""

    def __init__(self, event_log: EventLog, *, lookback_s: float, remembered: int = ENDED_JOBS) -> None:
        self.journal = Journal(event_log, on_change=self._on_change, on_reset=self._on_reset, lookback_s=lookback_s)
        self._remembered = remembered
        self._ended: dict[str, None] = {}
        self._holds: dict[str, set[_Hold]] = {}

    def knows(self, job_id: str) -> bool:
        """Tell whether the log, as far back as it was read, says how the job stands."""
        return job_id in self.journal.fold.jobs or job_id in self._ended

    def item(self, claim: Claim) -> Item | None:
        """Give the item as it stands now, None when there is no such job or item under way."""
        return item_of(self.journal.fold.jobs.get(claim.job_id), claim.item)

    def owned(self, claim: Claim) -> bool:
        """Tell whether the item is this run's. A job that the log does not tell of is: it is older than what was read."""
        if not self.knows(claim.job_id):
            return True
        item = self.item(claim)
        return item is not None and item.state is State.RUNNING and item.run_id == claim.run_id

    @asynccontextmanager
    async def holding(self, claim: Claim) -> AsyncIterator[None]:
        """Let the body run for as long as the item is this run's; stop it as soon as the log shows otherwise.

        Raises:
            ItemLost: it was stopped.
        """
        scope = asyncio.timeout(None)
        hold = _Hold(claim, scope)
        self._holds.setdefault(claim.job_id, set()).add(hold)
        try:
            async with scope:
                self._check(hold)
                yield
        except TimeoutError as error:
            if scope.expired():
                raise ItemLost(f"item {claim.item} of job {claim.job_id} is no longer this run's") from error
            raise
        finally:
            self._let_go(hold)

    def _check(self, hold: _Hold) -> None:
        if not hold.scope.expired() and not self.owned(hold.claim):
            hold.scope.reschedule(asyncio.get_running_loop().time())

    def _let_go(self, hold: _Hold) -> None:
        holds = self._holds.get(hold.claim.job_id)
        if holds is not None:
            holds.discard(hold)
            if not holds:
                del self._holds[hold.claim.job_id]

    def _on_change(self, change: Change) -> None:
        job_id = change.event.job_id
        if isinstance(change.event, Accepted) and change.applied:
            self._ended.pop(job_id, None)
        elif _has_ended(change):
            self.journal.forget(job_id)
            self._remember(job_id)
        for hold in tuple(self._holds.get(job_id, ())):
            self._check(hold)

    def _on_reset(self) -> None:
        self._holds.clear()  # what is read now is the past: it must not stop what runs; the verdict of each run still counts

    def _remember(self, job_id: str) -> None:
        self._ended.pop(job_id, None)
        self._ended[job_id] = None
        if len(self._ended) > self._remembered:
            del self._ended[next(iter(self._ended))]


def item_of(job: Job | None, index: int) -> Item | None:
    """Give an item of a job, None when there is none."""
    return job.items[index] if job is not None and 0 <= index < len(job.items) else None


def _has_ended(change: Change) -> bool:
    if change.after is None:  # a job that is not known can still be known to have ended
        return isinstance(change.event, Cancelled | Purged | Refused)
    return change.after.state.terminal
