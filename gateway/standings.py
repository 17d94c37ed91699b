"""Where watched jobs stand in their queues: looked at again and again, so that only who waits for one that has moved is woken."""

from __future__ import annotations

from dispatch.lifecycle import State
from gateway.messages import Teller
from gateway.store import Store
from gateway.workers import Workers
from myeye.v1.job_pb2 import QueueStatus

Standing = tuple[int, int, str]


def standing_of(queue: QueueStatus) -> Standing:
    """Give what is worth telling anew when it changes: not the estimated start, which changes with every look."""
    return queue.approximate_position, queue.live_workers, queue.waiting_reason


class Standings:
    """What stood where at the last look. Thousands who watch jobs that do not move cost nothing but being counted."""

    def __init__(self, store: Store, teller: Teller, workers: Workers) -> None:
        self._store = store
        self._teller = teller
        self._workers = workers
        self._seen: object = None
        self._known: dict[str, Standing] = {}

    def look(self) -> None:
        """Wake those who wait for a queued job that has moved, or whose prospect of a worker has changed."""
        backlog = self._store.backlog
        seen = backlog, backlog.changes, self._workers.census()
        anything_moved, self._seen = seen != self._seen, seen
        known, self._known = self._known, {}
        for job_id in self._store.watched():
            before = known.get(job_id)
            if before is not None and not anything_moved:
                self._known[job_id] = before
            else:
                self._look_at(job_id, before)

    def _look_at(self, job_id: str, before: Standing | None) -> None:
        job = self._store.fold.jobs.get(job_id)
        if job is None or job.state is not State.QUEUED:
            return
        self._known[job_id] = standing_of(self._teller.queue(job))
        if self._known[job_id] != before:
            self._store.wake(job_id, durable=False)
