"""What waits and what there is, for who watches over the service: counted from the changes of the log."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from dispatch.fold import Change
from dispatch.lifecycle import Job, State


@dataclass(slots=True)
class _Queue:
    """Items that wait, and the jobs that they are of, in the order in which these began to: since when each does."""

    waiting: int = 0
    since_ns: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QueueState:
    """How many items of a model and lane wait, and since when the first of them does (nanoseconds since 1970)."""

    model: str
    lane: int
    waiting: int
    oldest_ns: int | None


class Queues:
    """The queues of every model and lane that ever had a job, and how many jobs there are, by their states."""

    def __init__(self) -> None:
        self.jobs: Counter[State] = Counter()
        self._queues: defaultdict[tuple[str, int], _Queue] = defaultdict(_Queue)

    def on_change(self, change: Change) -> None:
        """Count what a change that applied did."""
        before, after = change.before, change.after
        job = after or before
        if job is None:
            return
        if before:
            self.jobs[before.state] -= 1
        if after:
            self.jobs[after.state] += 1
        queue = self._queues[job.spec.model, job.spec.priority]
        waiting = _waiting(after)
        came = waiting - _waiting(before)
        queue.waiting += came
        if not waiting:
            queue.since_ns.pop(job.id, None)
        elif came > 0:
            queue.since_ns.setdefault(job.id, change.event.time_ns)

    def states(self) -> Iterator[QueueState]:
        """Tell of each queue."""
        for (model, lane), queue in self._queues.items():
            yield QueueState(model, lane, queue.waiting, next(iter(queue.since_ns.values()), None))


def _waiting(job: Job | None) -> int:
    return job.count(State.QUEUED) if job else 0
