"""What happens: the events of the log, as values. Pure, and valid once made; `dispatch.codec` reads and writes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed: a reason in upper snake case, and the same in words."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Spec:
    """What the life cycle and look-ups need to know of a job; `body` is all that was asked for, opaque here.

    `stored_bytes` is the size of its inputs; of what is fetched that is what is kept free for it, and stands by item in
    `reserved`, which is empty if nothing is fetched. `retry_of` is the job that it repeats, `retry_request_id` the request_id of
    the RetryMany that made it; both may be empty. `webhook` tells whether somebody is to be called when it has ended.
    """

    principal: str
    model: str
    priority: int
    items: int
    max_attempts: int
    ttl_ns: int
    start_deadline_ns: int | None
    labels: tuple[tuple[str, str], ...]
    body: bytes
    retry_of: str = ""
    retry_request_id: str = ""
    stored_bytes: int = 0
    reserved: tuple[int, ...] = ()
    webhook: bool = False

    def __post_init__(self) -> None:
        if self.items < 1 or self.max_attempts < 1:
            raise ValueError(f"a job has at least one item and one attempt, not {self.items} and {self.max_attempts}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a job. `id` is the appender's own; `time_ns` is for display, order is the log's."""

    id: bytes
    job_id: str
    time_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(Event):
    """A gateway stored the pictures and is about to publish the tasks."""

    spec: Spec
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueued(Event):
    """The broker has confirmed every task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Event):
    """The tasks could not be published, and the client was told so: the job never was."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Event):
    """A worker took an item. `accepted_id` is that of the Accepted event which the task belongs to."""

    item: int
    task_id: str
    run_id: str
    worker: str
    accepted_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded(Event):
    """An item is done: a picture with a `result`, a video with a `video`. They and the `timings` are opaque here."""

    item: int
    run_id: str
    timings: bytes
    result: bytes = b""
    video: bytes = b""
    fetched_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FramesFound(Event):
    """A run has opened a video, or looked at `count` frames of it from the `first` on; `frames` and `video` are opaque."""

    item: int
    run_id: str
    first: int
    count: int
    frames: bytes
    video: bytes

    def __post_init__(self) -> None:
        if self.first < 0 or self.count < 0:
            raise ValueError(f"frames are counted from 0, not {self.first} and {self.count}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """An attempt failed: reported by its run, or, when `run_id` is empty, by the dead letter of `task_id`."""

    item: int
    failure: Failure
    retryable: bool
    run_id: str = ""
    task_id: str = ""
    accepted_id: bytes = b""
    next_attempt_ns: int | None = None
    next_task_id: str = ""
    fetched_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeBegan(Event):
    """A gateway is about to call the webhook of an ended job, and will tell what came of it before `until_ns`."""

    attempt: int
    until_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeEnded(Event):
    """A webhook was called. In vain: `error` says why, and the next attempt is due at `next_ns`; None: there is none."""

    attempt: int
    delivered: bool
    error: str = ""
    next_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(Event):
    """A client ends the job."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired(Event):
    """The start deadline has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged(Event):
    """The job and its pictures were removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOffered(Event):
    """A worker with a model came up."""

    worker: str
    name: str
    categories: tuple[str, ...]
    sha256: str
    default_score_threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker(Event):
    """Whoever reads it back knows that it has read all before it. `writer` names a gateway that stores pictures for this log."""

    writer: str = ""
