"""Whatever the log holds, in whatever order and however often: histories stay legal, and every reader sees the same."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.codec import decode_record, encode_record, spec_of
from dispatch.events import (
    Accepted,
    Cancelled,
    Enqueued,
    Event,
    Expired,
    Failed,
    Failure,
    FramesFound,
    Marker,
    ModelOffered,
    NoticeBegan,
    NoticeEnded,
    Purged,
    Refused,
    Started,
    Succeeded,
)
from dispatch.fold import Fold
from dispatch.lifecycle import TRANSITIONS, ItemFinished, ItemStarted, JobAccepted, JobFinished
from dispatch.v1.event_pb2 import JobSpec, StoredInput

JOBS = st.sampled_from(["one", "two"])
ITEMS = st.integers(0, 1)
RUNS = st.sampled_from(["r1", "r2", "r3", "r4"])
TASKS = st.sampled_from(["t1", "t2", "t3"])


def spec() -> bytes:
    message = JobSpec(
        inputs=[StoredInput(name="a"), StoredInput(name="b")],
        max_attempts=2,
        model="m",
        labels={"k": "v", "a": "b"},
        webhook="https://images.example.com",
    )
    return message.SerializeToString(deterministic=True)


@st.composite
def events(draw: st.DrawFn) -> Event:
    common = {"id": draw(st.binary(min_size=12, max_size=12)), "job_id": draw(JOBS), "time_ns": draw(st.integers(0, 2**60))}
    failure = Failure("WORKER_LOST", "lost")
    return draw(
        st.sampled_from(
            [
                Accepted(**common, spec=spec_of(spec()), digest=draw(st.sampled_from([b"x", b"y"]))),
                Enqueued(**common),
                Refused(**common, reason="QUEUE_FULL"),
                Started(
                    **common,
                    item=draw(ITEMS),
                    task_id=draw(TASKS),
                    run_id=draw(RUNS),
                    worker="w",
                    accepted_id=draw(st.sampled_from([b"", b"a" * 12])),
                ),
                Succeeded(**common, item=draw(ITEMS), run_id=draw(RUNS), result=b"r", timings=b""),
                Succeeded(**common, item=draw(ITEMS), run_id=draw(RUNS), video=b"v", timings=b""),
                FramesFound(
                    **common,
                    item=draw(ITEMS),
                    run_id=draw(RUNS),
                    first=draw(st.integers(0, 3)),
                    count=draw(st.integers(0, 2)),
                    frames=b"f",
                    video=b"v",
                ),
                Failed(
                    **common,
                    item=draw(ITEMS),
                    run_id=draw(RUNS),
                    failure=failure,
                    retryable=draw(st.booleans()),
                    next_task_id=draw(TASKS),
                    next_attempt_ns=draw(st.none() | st.integers(0, 2**60)),
                ),
                Failed(**common, item=draw(ITEMS), task_id=draw(TASKS), failure=failure, retryable=False),
                Cancelled(**common, reason="enough"),
                Expired(**common),
                Purged(**common),
                NoticeBegan(**common, attempt=draw(st.integers(0, 3)), until_ns=draw(st.integers(0, 2**60))),
                NoticeEnded(
                    **common,
                    attempt=draw(st.integers(0, 3)),
                    delivered=draw(st.booleans()),
                    error="it answers 500",
                    next_ns=draw(st.none() | st.integers(0, 2**60)),
                ),
                ModelOffered(
                    **(common | {"job_id": ""}),
                    worker="w",
                    name="m",
                    categories=("cat",),
                    sha256="00",
                    default_score_threshold=0.5,
                ),
                Marker(**(common | {"job_id": ""})),
            ]
        )
    )


def histories_of(log: list[Event]) -> list[Event]:
    """Tie starts and dead letters to the submission that is in force, so that runs are not all refused as foreign."""
    accepted: dict[str, bytes] = {}
    tied = []
    for event in log:
        if isinstance(event, Accepted):
            accepted.setdefault(event.job_id, event.id)
        if isinstance(event, Started):
            event = Started(
                id=event.id,
                job_id=event.job_id,
                time_ns=event.time_ns,
                item=event.item,
                task_id=event.task_id,
                run_id=event.run_id,
                worker=event.worker,
                accepted_id=accepted.get(event.job_id, b""),
            )
        tied.append(event)
    return tied


LOGS = st.lists(events(), max_size=60).map(histories_of)


@given(LOGS)
@settings(max_examples=300)
def test_any_log_folds_to_legal_histories(log: list[Event]):
    fold = Fold()
    for event in log:
        change = fold.apply(event)
        before, after = change.before, change.after
        if before is None or after is None:
            continue
        assert after.history[: before.sequence] == before.history, "what was told stays told"
        if before.state.terminal:
            assert (after.state, after.items, after.history) == (before.state, before.items, before.history), "the end is final"
        for old, new in zip(before.items, after.items, strict=True):
            assert old.state == new.state or new.state in TRANSITIONS[old.state].values()
            assert new.attempt - old.attempt in (0, 1)
            assert new.attempt <= after.spec.max_attempts
    for job in fold.jobs.values():
        assert isinstance(job.history[0], JobAccepted)
        assert sum(isinstance(entry, JobFinished) for entry in job.history) == job.state.terminal
        assert isinstance(job.history[-1], JobFinished) is job.state.terminal
        finished = [entry.item for entry in job.history if isinstance(entry, ItemFinished)]
        assert sorted(finished) == [index for index, item in enumerate(job.items) if item.state.terminal]
        starts = [entry.item for entry in job.history if isinstance(entry, ItemStarted)]
        assert [starts.count(index) for index in range(len(job.items))] == [item.attempt for item in job.items]


@given(LOGS)
def test_two_readers_of_one_log_agree_whatever_the_records_they_read_it_in(log: list[Event]):
    one, other = Fold(), Fold()
    for event in log:
        one.apply(event)
    for event in decode_record(encode_record(log)):
        other.apply(event)
    assert one.jobs == other.jobs
    assert one.models == other.models


@given(LOGS, st.data())
def test_a_log_that_repeats_events_at_once_folds_to_the_same(log: list[Event], data: st.DataObject):
    """An append whose confirm was lost is sent again; nothing of that job lies between the two."""
    once, twice = Fold(), Fold()
    for event in log:
        once.apply(event)
        for _ in range(data.draw(st.integers(1, 2))):
            twice.apply(event)
    assert once.jobs == twice.jobs


@given(LOGS, st.data())
def test_copies_of_starts_that_come_late_change_nothing_that_is_told(log: list[Event], data: st.DataObject):
    """A connection that stalls hands over what it held long after it was sent again. Every run starts once, by its own id."""
    log = [replace(event, run_id=f"run {n}") if isinstance(event, Started) else event for n, event in enumerate(log)]
    once, late = Fold(), Fold()
    copies: list[Started] = []
    for event in log:
        once.apply(event)
        late.apply(event)
        if isinstance(event, Started) and event.job_id in once.jobs:
            copies.append(event)
        for copy in data.draw(st.lists(st.sampled_from(copies), max_size=2)) if copies else ():
            late.apply(copy)
    told, told_late = ({job.id: job.history for job in fold.jobs.values()} for fold in (once, late))
    assert told == told_late


@given(LOGS)
def test_a_job_does_not_depend_on_what_happens_to_others(log: list[Event]):
    together, alone = Fold(), Fold()
    for event in log:
        together.apply(event)
    for event in (event for event in log if event.job_id == "one"):
        alone.apply(event)
    assert together.jobs.get("one") == alone.jobs.get("one")


@given(st.lists(events(), max_size=8))
def test_what_is_written_to_the_log_is_what_is_read(log: list[Event]):
    assert decode_record(encode_record(log)) == log


@given(st.binary(max_size=200))
def test_garbage_in_the_log_is_left_out(body: bytes):
    for event in decode_record(body):
        Fold().apply(event)
