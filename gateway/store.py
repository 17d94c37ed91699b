"""What this gateway knows: the fold, who waits for news of which job, and what was removed."""

from __future__ import annotations

import asyncio
import heapq
import secrets
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from dispatch.errors import BrokerUnavailable
from dispatch.events import ModelOffered, NoticeBegan, NoticeEnded, Purged
from dispatch.fold import Change, Fold
from dispatch.journal import Journal
from dispatch.lifecycle import Job, State
from dispatch.ports import EventLog
from dispatch.v1.event_pb2 import JobSpec
from dispatch.v1.signal_pb2 import RunProgress
from gateway.backlog import Backlog
from gateway.errors import JobNotFound, JobPurged, JobsNotFound, Unavailable
from gateway.followers import Followers
from gateway.holdings import Holdings
from gateway.identity.principal import Principal
from gateway.ids import is_job_id
from gateway.queues import Queues

Key = tuple[int, str]
"""A job's place in listings: when it was accepted (nanoseconds since 1970), and its id."""


@dataclass(frozen=True, slots=True)
class Doing:
    """What a run is doing: an ItemProgress.Stage, and of a video how many frames it has looked at, of how many."""

    attempt: int
    stage: int
    frames_done: int
    frames_total: int


class Store:
    """The jobs of all principals, as the log tells them.

    Every look-up names the principal: another's job is not found, like one that does not exist.
    """

    def __init__(self, log: EventLog) -> None:
        self.journal = Journal(log, on_change=self._on_change, on_reset=self._reset, writer=secrets.token_hex(6))
        self.observers: list[Callable[[Change], None]] = []
        self.doings: dict[str, dict[int, Doing]] = {}
        """Of running jobs: what each item's run is doing, when a worker told."""
        self.followers = Followers()
        self._news: dict[str, asyncio.Future[None]] = {}
        self._reset()

    def _reset(self) -> None:
        self.caught_up = False
        self.backlog = Backlog()
        self.queues = Queues()
        self.holdings = Holdings()
        self._keys: defaultdict[str, list[Key]] = defaultdict(list)
        self._retries: defaultdict[str, list[str]] = defaultdict(list)
        """Of jobs that are repeated: the ids of the jobs that do, oldest first."""
        self._tombstones: dict[str, tuple[str, int]] = {}
        self.doings.clear()
        self.wake_all()

    @property
    def fold(self) -> Fold:
        return self.journal.fold

    @property
    def models(self) -> dict[str, ModelOffered]:
        return self.fold.models

    # -- reading

    def find(self, principal: Principal, job_id: str) -> Job:
        """Give a job as this gateway knows it now.

        Raises:
            JobPurged: it was removed.
            JobNotFound: this gateway does not know it (yet), or it is another principal's.
            Unavailable: it does not know it while it reads its log anew, and may know it then.
        """
        job = self.fold.jobs.get(job_id)
        if job is not None and job.visible and principal.may_see(job.spec.principal):
            return job
        owner, _ = self._tombstones.get(job_id, (None, 0))
        if owner is not None and principal.may_see(owner):
            raise JobPurged(job_id)
        if not self.caught_up:
            raise Unavailable("STARTING", "this gateway reads its log anew")
        raise JobNotFound(job_id)

    async def get(self, principal: Principal, job_id: str, enough: Callable[[Job], bool] = lambda _: True) -> Job:
        """Give a job as of now: one that this gateway does not know yet is looked for up to the end of the log.

        So is one of which it does not know `enough`: another gateway may have told the caller more.

        Raises:
            JobPurged, JobNotFound: as `find`; JobNotFound is then certain.
            Unavailable: as `find`, or the end of the log cannot be told now.
        """
        try:
            job = self.find(principal, job_id)
            if enough(job):
                return job
        except JobNotFound:
            if not is_job_id(job_id):
                raise
        try:
            await self.journal.barrier()
        except BrokerUnavailable as error:
            what = "this gateway does not know the job, or not its end, and cannot read on now"
            raise Unavailable("BROKER_UNAVAILABLE", what) from error
        return self.find(principal, job_id)

    def find_all(self, principal: Principal, job_ids: Iterable[str]) -> list[Job]:
        """Give several jobs as this gateway knows them now.

        Raises:
            JobsNotFound: with all that are not there.
        """
        found: list[Job] = []
        unknown: list[str] = []
        purged: list[str] = []
        for job_id in job_ids:
            try:
                found.append(self.find(principal, job_id))
            except JobNotFound:
                unknown.append(job_id)
            except JobPurged:
                purged.append(job_id)
        if unknown or purged:
            raise JobsNotFound(unknown, purged)
        return found

    def newest_first(self, principal: Principal, before: Key | None) -> Iterator[Job]:
        """Yield the visible jobs of a principal, or of all for an admin, from the newest or from before a place."""
        if principal.admin:
            keys: Iterable[Key] = heapq.merge(*(_backwards(keys, before) for keys in self._keys.values()), reverse=True)
        else:
            keys = _backwards(self._keys.get(principal.name, []), before)
        for _, job_id in keys:
            job = self.fold.jobs[job_id]
            if job.visible:
                yield job

    def retries_of(self, job_id: str) -> Sequence[str]:
        """Give the ids of the jobs that repeat a job, oldest first."""
        return self._retries.get(job_id, ())

    def newest_retry(self, job_id: str) -> str:
        """Give the newest job that repeats a job, or repeats one that does; the job itself if none does."""
        passed: set[str] = set()
        while job_id not in passed and (retries := self.retries_of(job_id)):
            passed.add(job_id)
            job_id = retries[-1]
        return job_id

    def traceparent_of(self, job_id: str) -> str:
        """Give the traceparent of the call that made a job, whoever's it is; empty when it was not traced, or there is none."""
        job = self.fold.jobs.get(job_id)
        return JobSpec.FromString(job.spec.body).traceparent if job else ""

    # -- waiting for news

    def news(self, job_id: str) -> asyncio.Future[None]:
        """Give the future that is done at the job's next change. It is shared by all who wait: do not cancel it."""
        future = self._news.get(job_id)
        if future is None:
            future = self._news[job_id] = asyncio.get_running_loop().create_future()
        return future

    def wake(self, job_id: str, *, durable: bool = True) -> None:
        """Tell those who wait for a job to look again, perhaps only at what is not durable."""
        if future := self._news.pop(job_id, None):
            future.set_result(None)
        self.followers.changed(job_id, durable=durable)

    def wake_all(self) -> None:
        """Tell everybody who waits to look again."""
        for job_id in list(self._news):
            self.wake(job_id)
        self.followers.wake_all()

    def watched(self) -> set[str]:
        """Give the ids of all jobs that somebody waits for."""
        return {*self._news, *self.followers.by_job}

    def tell_progress(self, progress: RunProgress) -> None:
        """Note what a run is doing, if it is the item's."""
        job_id, item = progress.job_id, progress.item
        job = self.fold.jobs.get(job_id)
        if job is None or not 0 <= item < len(job.items):
            return
        current = job.items[item]
        if current.state is State.RUNNING and current.run_id == progress.run_id:
            doing = Doing(current.attempt, progress.stage, progress.frames_done, progress.frames_total)
            self.doings.setdefault(job_id, {})[item] = doing
            self.wake(job_id, durable=False)

    # -- following the log

    def _on_change(self, change: Change) -> None:
        if not change.applied:
            return
        before, after = change.before, change.after
        if before is None and after is not None:
            insort(self._keys[after.spec.principal], (after.accepted_ns, after.id))
            if after.spec.retry_of:
                self._retries[after.spec.retry_of].append(after.id)
        elif before is not None and after is None:
            self._remove(before, change)
        if after is None or after.state.terminal:
            self.doings.pop(change.event.job_id, None)
        if after is not None and after.visible and not (before is not None and before.visible):
            self.followers.arrived(after.spec.principal, after.id)
        self.backlog.on_change(change)
        self.queues.on_change(change)
        self.holdings.on_change(change)
        for observe in self.observers:
            observe(change)
        if not isinstance(change.event, NoticeBegan | NoticeEnded):  # watchers are told nothing of these
            self.wake(change.event.job_id)

    def _remove(self, job: Job, change: Change) -> None:
        keys = self._keys[job.spec.principal]
        del keys[bisect_left(keys, (job.accepted_ns, job.id))]
        if old_id := job.spec.retry_of:
            self._retries[old_id].remove(job.id)
            if not self._retries[old_id]:
                del self._retries[old_id]
        if isinstance(change.event, Purged):
            self._tombstones[job.id] = (job.spec.principal, change.event.time_ns)

    def drop_tombstones(self, purged_before_ns: int) -> None:
        """Forget removed jobs, the oldest first."""
        for job_id, (_, purged_ns) in list(self._tombstones.items()):
            if purged_ns >= purged_before_ns:
                break
            del self._tombstones[job_id]


def _backwards(keys: Sequence[Key], before: Key | None) -> Sequence[Key]:
    """Give the keys before a place, the last one first: a copy, for jobs may be removed while they are looked at."""
    end = len(keys) if before is None else bisect_left(keys, before)
    return keys[:end][::-1]
