"""About where a job stands in its queue, and at which pace the queue moves: counted from the changes of the log."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field

from dispatch.fold import Change
from dispatch.lifecycle import Job, State
from dispatch.ports import Lane

PACE_SAMPLES = 32


@dataclass(slots=True)
class _Line:
    """A principal's items of one model and lane, in order of acceptance: how many ever came, and how many ever left.

    `jobs` counts those of its jobs that have not ended: without one the line is forgotten.
    """

    came: int = 0
    left: int = 0
    jobs: int = 0

    @property
    def waiting(self) -> int:
        return max(0, self.came - self.left)


@dataclass(slots=True)
class _Pace:
    """How long it takes until the next item of one model ends, while there is something to do: a quiet night is no slow work."""

    unfinished: int = 0
    since_ns: int = 0
    samples_ns: deque[int] = field(default_factory=lambda: deque(maxlen=PACE_SAMPLES))

    def count(self, change: int, time_ns: int) -> None:
        """Take in that items came (more than 0) or ended (less)."""
        if change < 0:
            self.samples_ns.append(max(0, time_ns - self.since_ns))
        if change < 0 or not self.unfinished:
            self.since_ns = time_ns
        self.unfinished += change


class Backlog:
    """What waits, by model, lane and principal."""

    def __init__(self) -> None:
        self.changes = 0
        """Grows whenever a place may have changed."""
        self._lines: defaultdict[tuple[str, int], defaultdict[str, _Line]] = defaultdict(lambda: defaultdict(_Line))
        self._before: dict[str, int] = {}
        self._paces: defaultdict[str, _Pace] = defaultdict(_Pace)

    def on_change(self, change: Change) -> None:
        """Count the items that a change made wait, let go, or ended."""
        job = change.after or change.before
        if not change.applied or job is None:
            return
        self.changes += 1
        lines = self._lines[job.spec.model, job.spec.priority]
        line = lines[job.spec.principal]
        if change.before is None:
            self._before[job.id] = line.came
            line.jobs += 1
        waiting = _waiting(change.after) - _waiting(change.before)
        if waiting > 0:
            line.came += waiting
        else:
            line.left -= waiting
        if moved := _unfinished(change.after) - _unfinished(change.before):
            self._paces[job.spec.model].count(moved, change.event.time_ns)
        if change.after is None or change.after.state.terminal:
            if self._before.pop(job.id, None) is not None:
                line.jobs -= 1
            if not line.jobs:
                lines.pop(job.spec.principal)

    def ahead(self, job: Job) -> int:
        """Count the items that a waiting job's own principal has before it, in its lane."""
        line = self._lines[job.spec.model, job.spec.priority].get(job.spec.principal)
        return max(0, self._before.get(job.id, 0) - line.left) if line else 0

    def position(self, job: Job) -> int:
        """Estimate how many items are before a waiting job, as if principals took turns, whatever each has waiting."""
        ahead = self.ahead(job)
        own_lane = self._lines[job.spec.model, job.spec.priority].items()
        others = sum(min(line.waiting, ahead + 1) for principal, line in own_lane if principal != job.spec.principal)
        more_urgent = (self._lines[job.spec.model, lane].values() for lane in Lane if lane > job.spec.priority)
        return ahead + others + sum(line.waiting for lines in more_urgent for line in lines)

    def pace_ns(self, model: str) -> float | None:
        """Average the time to the last items' ends, while there was something to do; None when none has ended."""
        samples = self._paces[model].samples_ns
        return sum(samples) / len(samples) if samples else None


def _waiting(job: Job | None) -> int:
    return job.count(State.QUEUED) if job else 0


def _unfinished(job: Job | None) -> int:
    return sum(not item.state.terminal for item in job.items) if job else 0
