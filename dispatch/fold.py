"""All jobs, folded from the log: the life cycle applied to whatever job an event names. Pure, like the life cycle."""

from __future__ import annotations

from dataclasses import dataclass

from dispatch.events import Event, Marker, ModelOffered
from dispatch.lifecycle import Job, apply


@dataclass(frozen=True, slots=True)
class Change:
    """What one event did: the job before and after it (None: there is none), and why it changed nothing, if so."""

    event: Event
    before: Job | None = None
    after: Job | None = None
    ignored: str = ""

    @property
    def applied(self) -> bool:
        return not self.ignored


class Fold:
    """The jobs, models and writers that the log tells of, at the point up to which it was read."""

    __slots__ = ("jobs", "models", "writers")

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.models: dict[str, ModelOffered] = {}
        self.writers: set[str] = set()

    def apply(self, event: Event) -> Change:
        if isinstance(event, ModelOffered):
            self.models[event.name] = event
            return Change(event)
        if isinstance(event, Marker):
            if event.writer:
                self.writers.add(event.writer)
            return Change(event)
        before = self.jobs.get(event.job_id)
        step = apply(before, event)
        if step.job is None:
            self.jobs.pop(event.job_id, None)
        elif step.job is not before:
            self.jobs[event.job_id] = step.job
        return Change(event, before, step.job, step.ignored)

    def forget(self, job_id: str) -> None:
        """Drop a job, for readers that have no use for it any more; later events find no job."""
        self.jobs.pop(job_id, None)
