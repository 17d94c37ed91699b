"""About where a job stands in its queue, and at which pace the queue moves: counted from the changes of the log."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

from dispatch.fold import Change
from dispatch.lifecycle import Job, State
from dispatch.ports import Lane

PACE_SAMPLES = 32


@dataclass(slots=True)
class _Line:
    """The items of one model and lane, in order of acceptance: how many ever came, and how many ever left."""

    came: int = 0
    left: int = 0


class Backlog:
    """What waits, by model and lane."""

    def __init__(self) -> None:
        self._lines: defaultdict[tuple[str, int], _Line] = defaultdict(_Line)
        self._before: dict[str, int] = {}
        self._ends_ns: defaultdict[str, deque[int]] = defaultdict(lambda: deque(maxlen=PACE_SAMPLES))

    def on_change(self, change: Change) -> None:
        """Count the items that a change made wait, let go, or ended."""
        job = change.after or change.before
        if not change.applied or job is None:
            return
        line = self._lines[job.spec.model, job.spec.priority]
        if change.before is None:
            self._before[job.id] = line.came
        waiting = _waiting(change.after) - _waiting(change.before)
        if waiting > 0:
            line.came += waiting
        else:
            line.left -= waiting
        if _ended(change.after) > _ended(change.before):
            self._ends_ns[job.spec.model].append(change.event.time_ns)
        if change.after is None or change.after.state.terminal:
            self._before.pop(job.id, None)

    def position(self, job: Job) -> int:
        """Estimate how many items are before a waiting job."""
        own = self._lines[job.spec.model, job.spec.priority]
        ahead = max(0, self._before.get(job.id, 0) - own.left)
        more_urgent = (self._lines[job.spec.model, lane] for lane in Lane if lane > job.spec.priority)
        return ahead + sum(max(0, line.came - line.left) for line in more_urgent)

    def pace_ns(self, model: str) -> float | None:
        """Average the time between the last items' ends; None when there are too few."""
        ends = self._ends_ns[model]
        return (max(ends) - min(ends)) / (len(ends) - 1) if len(ends) >= 2 else None


def _waiting(job: Job | None) -> int:
    return job.count(State.QUEUED) if job else 0


def _ended(job: Job | None) -> int:
    return sum(item.state.terminal for item in job.items) if job else 0
