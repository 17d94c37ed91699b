"""The life of a job, as a pure function: a job and an event in, the next job out.

Every gateway reads the same events in the same order, so every gateway computes the same jobs with the same history,
numbered alike. That is the whole of our agreement protocol, and so three things must never enter this file: a clock, a
socket, and chance.

Events come at least once and from several writers that do not know of each other: a worker that was thought dead reports
late, a task published twice is taken twice, a cancel crosses a success. None of that is an error. An event that the table
below does not allow changes nothing that is told and is reported as ignored, with the reason, and so the first terminal event
of an item wins.

An item is owned by a task: the message in the work queue that stays unacknowledged until the item has ended. A second start
under the same task means that its first holder was lost, and counts as an attempt. A start under another task is a
duplicate and is ignored, for the owner's message is still there and will be delivered again should its holder die. A run that
was turned away so has acknowledged its message and is no more; it is remembered, for a copy of its start may come late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from types import MappingProxyType

from dispatch.events import (
    Accepted,
    Cancelled,
    Enqueued,
    Event,
    Expired,
    Failed,
    Failure,
    FramesFound,
    NoticeBegan,
    NoticeEnded,
    Purged,
    Refused,
    Spec,
    Started,
    Succeeded,
)


class State(IntEnum):
    """Of an item or a job, numbered as myeye.v1.State."""

    QUEUED = 1
    RUNNING = 2
    SUCCEEDED = 3
    PARTIALLY_SUCCEEDED = 4
    FAILED = 5
    CANCELLED = 6
    EXPIRED = 7

    @property
    def terminal(self) -> bool:
        return self >= State.SUCCEEDED


class Telling(IntEnum):
    """How far the call of a webhook is, numbered as myeye.v1.WebhookState."""

    PENDING = 1
    DELIVERED = 2
    GIVEN_UP = 3


class Move(StrEnum):
    """What can happen to an item."""

    START = "start"
    TAKE_OVER = "take over"
    FIND = "find"
    RETRY = "retry"
    SUCCEED = "succeed"
    FAIL = "fail"
    CANCEL = "cancel"
    EXPIRE = "expire"


TRANSITIONS: Mapping[State, Mapping[Move, State]] = MappingProxyType(
    {
        State.QUEUED: {
            Move.START: State.RUNNING,
            Move.FAIL: State.FAILED,
            Move.CANCEL: State.CANCELLED,
            Move.EXPIRE: State.EXPIRED,
        },
        State.RUNNING: {
            Move.TAKE_OVER: State.RUNNING,
            Move.FIND: State.RUNNING,
            Move.RETRY: State.QUEUED,
            Move.SUCCEED: State.SUCCEEDED,
            Move.FAIL: State.FAILED,
            Move.CANCEL: State.CANCELLED,
        },
        State.SUCCEEDED: {},
        State.FAILED: {},
        State.CANCELLED: {},
        State.EXPIRED: {},
    }
)


# -- what is told: the entries of a job's history


@dataclass(frozen=True, slots=True)
class JobAccepted:
    time_ns: int
    items: int


@dataclass(frozen=True, slots=True)
class ItemStarted:
    time_ns: int
    item: int
    attempt: int
    worker: str


@dataclass(frozen=True, slots=True)
class FramesDetected:
    time_ns: int
    item: int
    attempt: int
    frames: bytes
    video: bytes


@dataclass(frozen=True, slots=True)
class ItemRetrying:
    time_ns: int
    item: int
    attempt: int
    failure: Failure
    next_attempt_ns: int | None


@dataclass(frozen=True, slots=True)
class ItemFinished:
    time_ns: int
    item: int


@dataclass(frozen=True, slots=True)
class JobFinished:
    time_ns: int


Entry = JobAccepted | ItemStarted | FramesDetected | ItemRetrying | ItemFinished | JobFinished


# -- what is: items and jobs


@dataclass(frozen=True, slots=True)
class Item:
    """One picture or video of a job. `task_id` owns it, `run_id` is the latest start, `frames` counts what that has told.

    `past_runs` began before it, or were turned away: a copy of their start that arrives late must not bring them back.
    """

    state: State = State.QUEUED
    attempt: int = 0
    task_id: str = ""
    run_id: str = ""
    past_runs: tuple[str, ...] = ()
    worker: str = ""
    failure: Failure | None = None
    result: bytes = b""
    timings: bytes = b""
    video: bytes = b""
    frames: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """The call of a job's webhook, which is no part of its history: the next attempt is not due before `due_ns`."""

    state: Telling = Telling.PENDING
    attempts: int = 0
    due_ns: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job and its whole history; entry n of the history has sequence n + 1.

    `stored_bytes` are those of its inputs, those included that are kept free for what is still to be fetched.
    """

    id: str
    spec: Spec
    digest: bytes
    accepted_id: bytes
    accepted_ns: int
    items: tuple[Item, ...]
    history: tuple[Entry, ...]
    state: State = State.QUEUED
    enqueued: bool = False
    started_ns: int | None = None
    ended_ns: int | None = None
    failure: Failure | None = None
    stored_bytes: int = 0
    notice: Notice | None = None

    @property
    def owes_notice(self) -> bool:
        """Whether it has ended and its webhook is still to be called."""
        return self.state.terminal and self.notice is not None and self.notice.state is Telling.PENDING

    @property
    def visible(self) -> bool:
        """Whether clients may know of it: its Submit can no longer be refused without a trace."""
        return self.enqueued or self.started_ns is not None

    @property
    def sequence(self) -> int:
        return len(self.history)

    def count(self, *states: State) -> int:
        return sum(item.state in states for item in self.items)


@dataclass(frozen=True, slots=True)
class Step:
    """What an event did: the job after it (None: there is none), and why it changed nothing, if so."""

    job: Job | None
    ignored: str = ""


@dataclass(slots=True)
class _Draft:
    """A job in the making: one event may move several items and tell several entries."""

    job: Job
    time_ns: int
    items: list[Item] = field(init=False)
    entries: list[Entry] = field(init=False, default_factory=list)
    stored_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.items = list(self.job.items)
        self.stored_bytes = self.job.stored_bytes

    def may(self, index: int, move: Move) -> bool:
        return move in TRANSITIONS[self.items[index].state]

    def move(self, index: int, move: Move, **changes: object) -> None:
        item = self.items[index]
        self.items[index] = replace(item, state=TRANSITIONS[item.state][move], **changes)  # type: ignore[arg-type]

    def end(self, index: int, move: Move, *, fetched_bytes: int | None = None, **changes: object) -> None:
        self._count(index, fetched_bytes)
        self.move(index, move, **changes)
        self.entries.append(ItemFinished(self.time_ns, index))

    def _count(self, index: int, fetched_bytes: int | None) -> None:
        """Count what was fetched for an item in place of what was kept free for it; as long as that is not known, the latter."""
        if fetched_bytes is None and self.items[index].attempt == 0:
            fetched_bytes = 0
        if fetched_bytes is not None and self.job.spec.reserved:
            self.stored_bytes += fetched_bytes - self.job.spec.reserved[index]

    def start(self, index: int, move: Move, event: Started) -> None:
        item = self.items[index]
        attempt = item.attempt + 1
        past = (*item.past_runs, item.run_id) if item.run_id else ()
        begun = {"attempt": attempt, "task_id": event.task_id, "run_id": event.run_id, "past_runs": past, "worker": event.worker}
        self.move(index, move, **begun, video=b"", frames=0)
        self.entries.append(ItemStarted(self.time_ns, index, attempt, event.worker))

    def turn_away(self, index: int, run_id: str) -> None:
        item = self.items[index]
        self.items[index] = replace(item, past_runs=(*item.past_runs, run_id))

    def done(self, *, failure: Failure | None = None, state: State | None = None) -> Step:
        state = state or _job_state(self.items)
        job = self.job
        started_ns = job.started_ns
        if started_ns is None and any(isinstance(entry, ItemStarted) for entry in self.entries):
            started_ns = self.time_ns
        ended_ns = None
        if state.terminal:
            self.entries.append(JobFinished(self.time_ns))
            ended_ns = self.time_ns
            if failure is None and state is not State.SUCCEEDED:
                failure = next((item.failure for item in self.items if item.failure), None)
        return Step(
            replace(
                job,
                items=tuple(self.items),
                history=(*job.history, *self.entries),
                state=state,
                started_ns=started_ns,
                ended_ns=ended_ns,
                failure=failure,
                stored_bytes=self.stored_bytes,
            )
        )


def _job_state(items: list[Item]) -> State:
    """Derive a job's state from its items'; a cancelled job is the exception, and says so itself."""
    states = {item.state for item in items}
    if all(state.terminal for state in states):
        if len(states) == 1:
            return next(iter(states))
        return State.PARTIALLY_SUCCEEDED if State.SUCCEEDED in states else State.FAILED
    return State.QUEUED if states == {State.QUEUED} else State.RUNNING


def apply(job: Job | None, event: Event) -> Step:
    """Fold one event into a job, or into nothing; an event that does not fit changes nothing."""
    if isinstance(event, Accepted):
        return _accept(job, event)
    if job is None:
        return Step(None, "no such job")
    index = getattr(event, "item", 0)
    if not 0 <= index < len(job.items):
        return Step(job, "no such item")
    return _RULES[type(event)](job, event)


def _accept(job: Job | None, event: Accepted) -> Step:
    if job is not None:
        return Step(job, "accepted before" if job.digest == event.digest else "another request has this id")
    return Step(
        Job(
            id=event.job_id,
            spec=event.spec,
            digest=event.digest,
            accepted_id=event.id,
            accepted_ns=event.time_ns,
            items=(Item(),) * event.spec.items,
            history=(JobAccepted(event.time_ns, event.spec.items),),
            stored_bytes=event.spec.stored_bytes,
            notice=Notice() if event.spec.webhook else None,
        )
    )


def _enqueue(job: Job, _: Enqueued) -> Step:
    return Step(job, "enqueued before") if job.enqueued else Step(replace(job, enqueued=True))


def _refuse(job: Job, _: Refused) -> Step:
    return Step(job, "enqueued before") if job.enqueued else Step(None)


def _start(job: Job, event: Started) -> Step:
    item = job.items[event.item]
    draft = _Draft(job, event.time_ns)
    if event.accepted_id != job.accepted_id:
        return Step(job, "the task is of another submission")
    if event.run_id == item.run_id or event.run_id in item.past_runs:
        return Step(job, "started before")
    if draft.may(event.item, Move.START):
        draft.start(event.item, Move.START, event)
        return draft.done()
    if not draft.may(event.item, Move.TAKE_OVER):
        return Step(job, f"the item is {item.state.name}")
    if item.task_id != event.task_id:
        draft.turn_away(event.item, event.run_id)
        return Step(replace(job, items=tuple(draft.items)), "the item runs under another task")
    lost = Failure("WORKER_LOST", f"worker {item.worker} was lost during attempt {item.attempt} of {job.spec.max_attempts}")
    if item.attempt >= job.spec.max_attempts:
        draft.end(event.item, Move.FAIL, failure=lost)
        return draft.done()
    draft.entries.append(ItemRetrying(event.time_ns, event.item, item.attempt, lost, None))
    draft.start(event.item, Move.TAKE_OVER, event)
    return draft.done()


def _succeed(job: Job, event: Succeeded) -> Step:
    draft = _Draft(job, event.time_ns)
    if not draft.may(event.item, Move.SUCCEED):
        return Step(job, f"the item is {job.items[event.item].state.name}")
    if event.video and event.run_id != job.items[event.item].run_id:
        return Step(job, "another run has told the frames")
    told = {"result": event.result, "timings": event.timings, "video": event.video}
    draft.end(event.item, Move.SUCCEED, fetched_bytes=event.fetched_bytes, failure=None, **told)
    return draft.done()


def _find(job: Job, event: FramesFound) -> Step:
    item = job.items[event.item]
    draft = _Draft(job, event.time_ns)
    if not draft.may(event.item, Move.FIND):
        return Step(job, f"the item is {item.state.name}")
    if event.run_id != item.run_id:
        return Step(job, "another run has the item")
    if event.first != item.frames or (event.count == 0 and item.video):
        return Step(job, "these frames were told before" if event.first <= item.frames else "frames before these were not told")
    draft.move(event.item, Move.FIND, video=event.video, frames=item.frames + event.count)
    draft.entries.append(FramesDetected(event.time_ns, event.item, item.attempt, event.frames, event.video))
    return draft.done()


def _fail(job: Job, event: Failed) -> Step:
    item = job.items[event.item]
    draft = _Draft(job, event.time_ns)
    if not draft.may(event.item, Move.FAIL):
        return Step(job, f"the item is {item.state.name}")
    if event.run_id:
        if event.run_id != item.run_id or not draft.may(event.item, Move.RETRY):
            return Step(job, "another run has the item")
    elif event.accepted_id != job.accepted_id:
        return Step(job, "the task is of another submission")
    elif item.task_id not in ("", event.task_id):
        return Step(job, "another task has the item")
    if event.retryable and item.attempt < job.spec.max_attempts:
        draft.move(event.item, Move.RETRY, task_id=event.next_task_id, failure=event.failure)
        draft.entries.append(ItemRetrying(event.time_ns, event.item, item.attempt, event.failure, event.next_attempt_ns))
    else:
        draft.end(event.item, Move.FAIL, fetched_bytes=event.fetched_bytes, failure=event.failure)
    return draft.done()


def _cancel(job: Job, event: Cancelled) -> Step:
    if job.state.terminal:
        return Step(job, f"the job is {job.state.name}")
    failure = Failure("CANCELLED", event.reason or "cancelled by the client")
    draft = _Draft(job, event.time_ns)
    for index in _open_items(job):
        draft.end(index, Move.CANCEL, failure=failure)
    return draft.done(failure=failure, state=State.CANCELLED)


def _expire(job: Job, event: Expired) -> Step:
    draft = _Draft(job, event.time_ns)
    for index in _open_items(job):
        if job.items[index].attempt == 0:
            draft.end(index, Move.EXPIRE, failure=Failure("EXPIRED", "no worker took it before its start deadline"))
    return draft.done() if draft.entries else Step(job, "no item is waiting for its first start")


def _begin_notice(job: Job, event: NoticeBegan) -> Step:
    if not job.owes_notice or job.notice is None:
        return Step(job, "nobody is to be told, or not now")
    if event.attempt != job.notice.attempts + 1:
        return Step(job, "another gateway has this attempt")
    return Step(replace(job, notice=replace(job.notice, attempts=event.attempt, due_ns=event.until_ns)))


def _end_notice(job: Job, event: NoticeEnded) -> Step:
    if not job.owes_notice or job.notice is None:
        return Step(job, "nobody is to be told, or not now")
    if event.delivered:  # late or not: it was told
        return Step(replace(job, notice=replace(job.notice, state=Telling.DELIVERED, error="")))
    if event.attempt != job.notice.attempts:
        return Step(job, "another attempt has begun")
    if event.next_ns is None:
        return Step(replace(job, notice=replace(job.notice, state=Telling.GIVEN_UP, error=event.error)))
    return Step(replace(job, notice=replace(job.notice, due_ns=event.next_ns, error=event.error)))


def _purge(job: Job, _: Purged) -> Step:
    return Step(None) if job.state.terminal else Step(job, f"the job is {job.state.name}")


def _open_items(job: Job) -> Iterator[int]:
    return (index for index, item in enumerate(job.items) if not item.state.terminal)


_RULES: Mapping[type[Event], Callable[..., Step]] = MappingProxyType(
    {
        Enqueued: _enqueue,
        Refused: _refuse,
        Started: _start,
        Succeeded: _succeed,
        FramesFound: _find,
        Failed: _fail,
        Cancelled: _cancel,
        Expired: _expire,
        Purged: _purge,
        NoticeBegan: _begin_notice,
        NoticeEnded: _end_notice,
    }
)
