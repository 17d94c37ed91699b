"""Requests on their way, and the places where they are worked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from worker.detection import DetectOutcome, DetectRequest, Stage
from worker.process import Process
from worker.wire import Look, Message

IN_FLIGHT = 2
"""Requests that a process holds: one is detected while the next is decoded."""


@dataclass(eq=False, slots=True)
class Job:
    """A request on its way. One that nobody awaits any more is over, wherever it is."""

    request: DetectRequest
    on_stage: Callable[[Stage], None]
    timeout_s: float
    outcome: asyncio.Future[DetectOutcome]
    asked_s: float
    """When it was asked for, by the loop's clock."""
    alone: bool = False
    """Whether it must have a process for itself."""
    timer: asyncio.TimerHandle | None = None

    @property
    def over(self) -> bool:
        return self.outcome.done()

    def unwatch(self) -> None:
        """Stop its time."""
        if self.timer:
            self.timer.cancel()
            self.timer = None

    def ghost(self) -> Job:
        """Make one like it that is over."""
        outcome: asyncio.Future[DetectOutcome] = self.outcome.get_loop().create_future()
        outcome.cancel()
        return replace(self, outcome=outcome)

    def enter(self, stage: Stage) -> None:
        if not self.over:
            self.on_stage(stage)

    def succeed(self, outcome: DetectOutcome) -> None:
        if not self.over:
            self.outcome.set_result(outcome)

    def fail(self, error: Exception) -> None:
        if not self.over:
            self.outcome.set_exception(error)


@dataclass(eq=False, slots=True)
class Seat:
    """A place for one process at a time, and what that holds."""

    process: Process[Message] | None = None
    jobs: dict[int, Job] = field(default_factory=dict)
    used: bool = False
    """Whether the process was given anything."""

    def has_room(self, job: Job) -> bool:
        """Tell whether a job may come in. Not beside one that must be alone, or that is over and still worked at."""
        if self.process is None or any(other.alone or other.over for other in self.jobs.values()):
            return False
        return len(self.jobs) < (1 if job.alone else IN_FLIGHT)

    def numbers(self, job: Job) -> list[int]:
        """Give the number under which the process knows a job, if it does."""
        return [number for number, held in self.jobs.items() if held is job]

    def give(self, number: int, job: Job) -> None:
        assert self.process
        self.used = True
        self.jobs[number] = job
        self.process.send(Look(number, job.request))

    def take(self, number: int) -> Job:
        """Take a job that was answered."""
        return self.jobs.pop(number)

    def desert(self) -> list[Job]:
        """Take away the jobs that are not over. The process works on at them, and gets no more until it is done with all."""
        wanted = [job for job in self.jobs.values() if not job.over]
        self.jobs = {number: job.ghost() for number, job in self.jobs.items()}
        return wanted

    def vacate(self) -> list[Job]:
        """Take everything away from the process, which is dead or dying."""
        self.process, jobs = None, list(self.jobs.values())
        self.jobs.clear()
        return jobs
