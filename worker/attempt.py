"""One attempt of one item, as a value: what was asked, by which run, and the events that tell of it."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

from dispatch.events import Failed, Failure, FramesFound, Started, Succeeded
from dispatch.journal import new_event_id
from dispatch.v1.task_pb2 import Task
from worker.trail import Trail
from worker.view import Claim

log = logging.getLogger(__name__)


def new_task_id() -> str:
    """Make the identifier of a task: 128 random bits in hexadecimal."""
    return secrets.token_hex(16)


class AttemptLog(logging.LoggerAdapter[logging.Logger]):
    """Names the job, the item and the attempt in every line."""

    def process(self, msg: str, kwargs: MutableMapping[str, Any]) -> tuple[str, MutableMapping[str, Any]]:
        kwargs["extra"] = self.extra
        return msg, kwargs


@dataclass(frozen=True, slots=True)
class Attempt:
    """A task in the hands of a run. `number` counts from 1; the log has the last word on it.

    `fetched_bytes` are those that were fetched for it and are stored; None of what was handed in, and while it is not known.
    """

    task: Task
    claim: Claim
    number: int
    begun_ns: int
    trail: Trail = field(default_factory=Trail)
    fetched_bytes: int | None = None

    @classmethod
    def begin(cls, task: Task) -> Attempt:
        return cls(task, Claim(task.job_id, task.item, secrets.token_hex(16)), task.attempt, time.time_ns())

    @property
    def limit_s(self) -> float:
        """Give the time that it may take, in seconds."""
        return self.task.execution_timeout.ToNanoseconds() / 1e9

    @property
    def log(self) -> AttemptLog:
        return AttemptLog(log, {"job": self.claim.job_id, "item": self.claim.item, "attempt": self.number})

    def started(self, worker: str) -> Started:
        return Started(
            id=new_event_id(),
            job_id=self.claim.job_id,
            time_ns=self.begun_ns,
            item=self.claim.item,
            task_id=self.task.id,
            run_id=self.claim.run_id,
            worker=worker,
            accepted_id=self.task.accepted_id,
        )

    def succeeded(self, timings: bytes, *, result: bytes = b"", video: bytes = b"") -> Succeeded:
        return Succeeded(
            id=new_event_id(),
            job_id=self.claim.job_id,
            time_ns=time.time_ns(),
            item=self.claim.item,
            run_id=self.claim.run_id,
            timings=timings,
            result=result,
            video=video,
            fetched_bytes=self.fetched_bytes,
        )

    def frames_found(self, first: int, count: int, frames: bytes, video: bytes) -> FramesFound:
        """Tell of so many frames of a video, from the `first` on, and of the video so far."""
        return FramesFound(
            id=new_event_id(),
            job_id=self.claim.job_id,
            time_ns=time.time_ns(),
            item=self.claim.item,
            run_id=self.claim.run_id,
            first=first,
            count=count,
            frames=frames,
            video=video,
        )

    def failed(self, failure: Failure) -> Failed:
        """Tell of a failure for good."""
        return self._failed(failure, retryable=False)

    def failed_for_now(self, failure: Failure, *, next_task_id: str, delay_s: float) -> Failed:
        """Tell of a failure that another attempt, of the task named, may heal after the delay."""
        due_ns = time.time_ns() + round(delay_s * 1e9)
        return self._failed(failure, retryable=True, next_task_id=next_task_id, next_attempt_ns=due_ns)

    def _failed(self, failure: Failure, *, retryable: bool, next_task_id: str = "", next_attempt_ns: int | None = None) -> Failed:
        return Failed(
            id=new_event_id(),
            job_id=self.claim.job_id,
            time_ns=time.time_ns(),
            item=self.claim.item,
            run_id=self.claim.run_id,
            failure=failure,
            retryable=retryable,
            next_task_id=next_task_id,
            next_attempt_ns=next_attempt_ns,
            fetched_bytes=self.fetched_bytes,
        )

    def following(self, task_id: str) -> Task:
        """Make the task that asks for the next attempt."""
        task = Task()
        task.CopyFrom(self.task)
        task.id, task.attempt = task_id, self.number + 1
        return task
