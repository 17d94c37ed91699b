"""What nobody asks for and somebody must do: finish what a dead gateway began, expire, purge, and read dead letters.

Every gateway does all of it; the fold lets the first win, and a random delay spares most of the double work.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
import time
from collections.abc import Awaitable, Callable

from dispatch.errors import BrokerUnavailable, ConfigurationError, DispatchError
from dispatch.events import Expired, Failed, Failure, Purged
from dispatch.fold import Change
from dispatch.journal import new_event_id
from dispatch.lifecycle import Job, State
from dispatch.ports import BlobStore, Delivery, TaskQueue
from dispatch.task import ImpossibleTask, UnreadableTask, check_task, read_task
from dispatch.v1.task_pb2 import Task
from gateway.errors import Refusal
from gateway.store import Store
from gateway.submit import Submitter

log = logging.getLogger(__name__)

ENQUEUE_GRACE_S = 5.0
SPREAD_S = 2.0
RETENTION_EVERY_S = 10.0
NOTICE_WAIT_S = 30.0
LAST_LOOK_NS = 60 * 1_000_000_000
"""How long after its end a job is kept whose beginning the log has dropped, for those who watch it."""

Duty = tuple[float, str]
"""When something is due (seconds since 1970), and for which job."""


class Janitor:
    """Keeps what is due in three heaps, filled by the changes of the log."""

    def __init__(
        self,
        store: Store,
        submitter: Submitter,
        blobs: BlobStore,
        *,
        tombstone_s: float,
        on_dead_letter: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._submitter = submitter
        self._blobs = blobs
        self._tombstone_s = tombstone_s
        self._on_dead_letter = on_dead_letter
        self._to_enqueue: list[Duty] = []
        self._to_expire: list[Duty] = []
        self._to_purge: list[Duty] = []
        self._cut: set[str] = set()
        store.observers.append(self._on_change)

    def _on_change(self, change: Change) -> None:
        job = change.after
        if job is None:
            self._cut.discard(change.event.job_id)
            return
        if change.before is None:
            self._cut.discard(job.id)
            self._add(self._to_enqueue, max(job.accepted_ns, time.time_ns()) / 1e9 + ENQUEUE_GRACE_S, job)
            if job.spec.start_deadline_ns is not None:
                self._add(self._to_expire, (job.accepted_ns + job.spec.start_deadline_ns) / 1e9, job)
        if job.ended_ns is not None:
            self._add(self._to_purge, self._kept_until_ns(job, job.ended_ns) / 1e9, job)

    def _kept_until_ns(self, job: Job, ended_ns: int) -> int:
        return ended_ns + (min(LAST_LOOK_NS, job.spec.ttl_ns) if job.id in self._cut else job.spec.ttl_ns)

    @staticmethod
    def _add(heap: list[Duty], due: float, job: Job) -> None:
        heapq.heappush(heap, (due + random.uniform(0, SPREAD_S), job.id))

    async def sweep(self) -> None:
        """Do what is due. What fails because something is away is due again a little later."""
        await self._each_due(self._to_enqueue, self._enqueue)
        await self._each_due(self._to_expire, self._expire)
        await self._each_due(self._to_purge, self._purge)
        self._store.drop_tombstones(time.time_ns() - int(self._tombstone_s * 1e9))

    async def _each_due(self, heap: list[Duty], duty: Callable[[Job], Awaitable[None]]) -> None:
        while heap and heap[0][0] <= time.time():
            _, job_id = heapq.heappop(heap)
            job = self._store.fold.jobs.get(job_id)
            if job is None:
                continue
            try:
                await duty(job)
            except (DispatchError, Refusal) as error:
                log.warning("job %s: %s", job_id, error)
                self._add(heap, time.time() + ENQUEUE_GRACE_S, job)
            except Exception:
                log.exception("job %s breaks whoever tends it, and is left alone", job_id)

    async def _enqueue(self, job: Job) -> None:
        if job.enqueued:
            return
        if job.id in self._submitter.under_way:
            self._add(self._to_enqueue, time.time() + ENQUEUE_GRACE_S, job)
            return
        log.warning("job %s was accepted and not enqueued, publishing its tasks", job.id)
        await self._submitter.enqueue(job)

    async def _expire(self, job: Job) -> None:
        if any(item.state is State.QUEUED and item.attempt == 0 for item in job.items):
            await self._store.journal.commit(Expired(id=new_event_id(), job_id=job.id, time_ns=time.time_ns()))

    async def _purge(self, job: Job) -> None:
        if job.ended_ns is None or self._kept_until_ns(job, job.ended_ns) > time.time_ns():
            return
        if job.owes_notice and job.id not in self._cut:  # whose calls come to an end within hours
            self._add(self._to_purge, time.time() + NOTICE_WAIT_S, job)
        else:
            await self.purge(job)

    async def follow_retention(self) -> None:
        """Watch the log's tail for ever: what it drops is gone wherever a gateway starts anew, and so must go everywhere."""
        while True:
            await asyncio.sleep(random.uniform(0.5, 1.5) * RETENTION_EVERY_S)
            try:
                await self.note_cut()
            except (BrokerUnavailable, ConfigurationError) as error:
                log.warning("what the log still has could not be told, asking again: %s", error)

    async def note_cut(self) -> None:
        """Have the jobs removed whose beginning is gone, as soon as they have ended.

        Raises:
            BrokerUnavailable, ConfigurationError: the log did not tell which they are.
        """
        for job in await self._store.journal.without_beginning():
            if job.id in self._cut:
                continue
            self._cut.add(job.id)
            if job.ended_ns is not None:
                log.warning("job %s is removed before its time: the log has dropped its beginning", job.id)
                self._add(self._to_purge, self._kept_until_ns(job, job.ended_ns) / 1e9, job)
            else:
                log.error(
                    "the log has dropped the beginning of job %s, which has not ended: it is too small or too young", job.id
                )

    async def purge(self, job: Job) -> bool:
        """Remove a finished job's pictures, then the job; tell whether it was this call that did."""
        await self._blobs.delete_prefix(f"jobs/{job.id}/")
        return (await self._store.journal.commit(Purged(id=new_event_id(), job_id=job.id, time_ns=time.time_ns()))).applied

    async def bury(self, tasks: TaskQueue) -> None:
        """Read dead letters for ever: each becomes a failure of its item, unless the item has ended anyway."""
        async with tasks.dead_letters(prefetch=16) as letters:
            async for letter in letters:
                await self._bury(letter)

    async def _bury(self, letter: Delivery) -> None:
        """Settle a dead letter for good: it must never come again, or it would do to the next gateway what it did to this one."""
        self._on_dead_letter(letter.reason)
        try:
            await self._fail(letter, read_task(letter.body))
        except UnreadableTask as error:
            log.error("a dead letter of %d bytes is no task and is dropped (%s): %s", len(letter.body), letter.reason, error)
        except Exception:
            log.exception("a dead letter of %d bytes breaks its reader and is dropped (%s)", len(letter.body), letter.reason)
        await letter.ack()

    async def _fail(self, letter: Delivery, task: Task) -> None:
        try:
            check_task(task)
            failure = Failure("WORKER_LOST", f"no worker survived it: the broker gave the task up ({letter.reason})")
        except ImpossibleTask as error:
            failure = Failure("INTERNAL", f"its task cannot be done: {error}")
        change = await self._store.journal.insist(
            Failed(
                id=new_event_id(),
                job_id=task.job_id,
                time_ns=time.time_ns(),
                item=task.item,
                failure=failure,
                retryable=False,
                task_id=task.id,
                accepted_id=task.accepted_id,
            )
        )
        job = change.after
        item = job.items[task.item] if job and 0 <= task.item < len(job.items) else None
        log.warning(
            "dead letter: job %s item %d, %s, attempts %s, last worker %s, cause %s",
            task.job_id,
            task.item,
            letter.reason,
            item.attempt if item else "unknown",
            item.worker if item else "unknown",
            item.failure.message if item and item.failure else f"unknown, {change.ignored}",
        )
