"""What one watcher has been told of several jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from dispatch.lifecycle import Job
from gateway.followers import Follower
from gateway.watch import Progress, Watches
from myeye.v1.detection_service_pb2 import WatchManyResponse, WatchResponse


class Telling(Protocol):
    """What of one job is to be told, and what has been."""

    def untold(self, job: Job) -> Iterator[WatchResponse | bytes]:
        """Yield what is new."""

    def complete(self, job: Job) -> bool:
        """Whether all that happened to the job has been told."""


class View:
    """What has been told of each job that has not ended. `find` gives a job, None when it is none of the watcher's."""

    def __init__(self, watches: Watches, follower: Follower, find: Callable[[str], Job | None]) -> None:
        self._watches = watches
        self._follower = follower
        self._find = find
        self._tellings: dict[str, Telling] = {}

    def begin(self, job_id: str, telling: Telling | None) -> None:
        """Have a job to look at; without a telling it begins with its snapshot, and goes on as in Watch."""
        self._tellings.pop(job_id, None)
        if telling is not None:
            self._tellings[job_id] = telling
        self._follower.follow(job_id)
        self._follower.notice(job_id)

    def untold(self, job_id: str) -> Iterator[bytes]:
        """Yield what is new of a job. It is followed no more when its end is told: who hears it can count on that."""
        job = self._find(job_id)
        if job is None:
            self.leave(job_id)
            return
        self._follower.follow(job_id)
        # The fields of both messages have the same numbers, so a WatchResponse with a job_id behind it is a WatchManyResponse.
        suffix = WatchManyResponse(job_id=job_id).SerializeToString()
        telling = self._tellings.get(job_id)
        if telling is None:
            telling = self._tellings[job_id] = Progress(self._watches, job.sequence)
            self._leave_at_end(job, telling)
            yield self._watches.snapshot(job).SerializeToString() + suffix
        for message in telling.untold(job):
            self._leave_at_end(job, telling)
            yield (message if isinstance(message, bytes) else message.SerializeToString()) + suffix
        self._leave_at_end(job, telling)

    def _leave_at_end(self, job: Job, telling: Telling) -> None:
        if job.state.terminal and telling.complete(job):
            self.leave(job.id)

    def leave(self, job_id: str) -> None:
        """Look at a job no more."""
        self._follower.leave(job_id)
        self._tellings.pop(job_id, None)
