"""The life cycle: which events move a job, which are ignored, and what the history then says."""

from __future__ import annotations

import itertools

import pytest

from dispatch.events import (
    Accepted,
    Cancelled,
    Enqueued,
    Event,
    Expired,
    Failed,
    Failure,
    FramesFound,
    Purged,
    Refused,
    Spec,
    Started,
    Succeeded,
)
from dispatch.lifecycle import (
    TRANSITIONS,
    FramesDetected,
    ItemFinished,
    ItemRetrying,
    ItemStarted,
    Job,
    JobAccepted,
    JobFinished,
    Move,
    State,
    Step,
    apply,
)

ticks = itertools.count(1)
ACCEPTED_ID = b"accepted-one"


def spec(items: int = 1, max_attempts: int = 3) -> Spec:
    return Spec(
        principal="",
        model="m",
        priority=2,
        items=items,
        max_attempts=max_attempts,
        ttl_ns=1,
        start_deadline_ns=None,
        labels=(),
        body=b"",
    )


def common() -> dict[str, object]:
    tick = next(ticks)
    return {"id": tick.to_bytes(12), "job_id": "j", "time_ns": tick}


def accepted(items: int = 1, max_attempts: int = 3, digest: bytes = b"d") -> Accepted:
    return Accepted(id=ACCEPTED_ID, job_id="j", time_ns=next(ticks), spec=spec(items, max_attempts), digest=digest)


def started(task: str, run: str, item: int = 0, accepted_id: bytes = ACCEPTED_ID) -> Started:
    return Started(**common(), item=item, task_id=task, run_id=run, worker=f"worker of {run}", accepted_id=accepted_id)


def succeeded(run: str, item: int = 0) -> Succeeded:
    return Succeeded(**common(), item=item, run_id=run, result=b"found", timings=b"")


def watched(run: str, item: int = 0) -> Succeeded:
    return Succeeded(**common(), item=item, run_id=run, video=b"whole", timings=b"")


def frames(run: str, first: int, count: int, item: int = 0) -> FramesFound:
    numbers = bytes(range(first, first + count))
    return FramesFound(**common(), item=item, run_id=run, first=first, count=count, frames=numbers, video=b"so far")


def failed(run: str, item: int = 0, retryable: bool = True, next_task: str = "t2") -> Failed:
    failure = Failure("DETECTOR_CRASHED", "it crashed")
    return Failed(**common(), item=item, run_id=run, failure=failure, retryable=retryable, next_task_id=next_task)


def dead(task: str, item: int = 0, accepted_id: bytes = ACCEPTED_ID) -> Failed:
    failure = Failure("WORKER_LOST", "given up")
    return Failed(**common(), item=item, task_id=task, failure=failure, retryable=False, accepted_id=accepted_id)


def play(*events: Event) -> Job:
    """Fold events that must all apply."""
    job: Job | None = None
    for event in events:
        step = apply(job, event)
        assert not step.ignored, f"{event} was ignored: {step.ignored}"
        job = step.job
    assert job is not None
    return job


def ignored(job: Job, event: Event) -> str:
    step = apply(job, event)
    assert step.job is not None
    assert (step.job.state, step.job.history) == (job.state, job.history), "an ignored event must change nothing that is told"
    assert step.ignored
    return step.ignored


def kinds(job: Job) -> list[str]:
    return [type(entry).__name__ for entry in job.history]


def test_a_job_that_goes_well_tells_its_whole_story():
    job = play(accepted(), Enqueued(**common()), started("t1", "r1"), succeeded("r1"))
    assert job.state is State.SUCCEEDED
    assert kinds(job) == ["JobAccepted", "ItemStarted", "ItemFinished", "JobFinished"]
    assert job.items[0].result == b"found"
    assert job.sequence == 4


def test_a_job_is_invisible_until_it_can_no_longer_be_refused():
    job = play(accepted())
    assert not job.visible
    assert play(accepted(), Enqueued(**common())).visible
    assert play(accepted(), started("t1", "r1")).visible


def test_a_refused_job_never_was():
    assert apply(play(accepted()), Refused(**common(), reason="QUEUE_FULL")) == Step(None)


def test_a_job_that_is_enqueued_cannot_be_refused_any_more():
    assert ignored(play(accepted(), Enqueued(**common())), Refused(**common(), reason="QUEUE_FULL"))


def test_accepting_twice_changes_nothing_and_tells_repetition_from_conflict():
    job = play(accepted())
    assert ignored(job, accepted()) == "accepted before"
    assert ignored(job, accepted(digest=b"other")) == "another request has this id"


def test_the_first_terminal_event_wins():
    job = play(accepted(), Enqueued(**common()), started("t1", "r1"), succeeded("r1"))
    for late in (
        succeeded("r1"),
        failed("r1"),
        dead("t1"),
        Cancelled(**common(), reason=""),
        Expired(**common()),
        started("t1", "r2"),
    ):
        ignored(job, late)


def test_a_success_of_a_run_that_was_thought_lost_is_still_a_success():
    job = play(accepted(), started("t1", "r1"), started("t1", "r2"), succeeded("r1"))
    assert job.state is State.SUCCEEDED


def test_a_failure_of_a_run_that_was_thought_lost_does_not_count():
    job = play(accepted(), started("t1", "r1"), started("t1", "r2"))
    assert ignored(job, failed("r1")) == "another run has the item"


def test_a_redelivered_task_counts_as_a_lost_worker_and_a_new_attempt():
    job = play(accepted(), started("t1", "r1"), started("t1", "r2"))
    assert job.items[0].attempt == 2
    assert kinds(job) == ["JobAccepted", "ItemStarted", "ItemRetrying", "ItemStarted"]
    retrying = job.history[2]
    assert isinstance(retrying, ItemRetrying)
    assert retrying.failure.reason == "WORKER_LOST"
    assert "worker of r1" in retrying.failure.message


def test_an_item_whose_workers_are_all_lost_fails_after_max_attempts():
    job = play(accepted(max_attempts=2), started("t1", "r1"), started("t1", "r2"), started("t1", "r3"))
    assert job.state is State.FAILED
    assert job.items[0].attempt == 2
    assert job.failure is not None
    assert job.failure.reason == "WORKER_LOST"


def test_a_task_that_was_published_twice_runs_once_and_costs_no_attempt():
    job = play(accepted(max_attempts=1), started("t1", "r1"))
    assert ignored(job, started("duplicate", "r2")) == "the item runs under another task"


def test_the_same_start_reported_twice_is_one_start():
    job = play(accepted(), started("t1", "r1"))
    assert ignored(job, started("t1", "r1")) == "started before"


def test_a_copy_of_an_earlier_start_that_arrives_late_takes_nothing_over():
    """A connection that stalls may hand the broker a start long after its writer sent it again; that run is gone by then."""
    taken_over = play(accepted(), started("t1", "r1"), started("t1", "r2"))
    assert ignored(taken_over, started("t1", "r1")) == "started before"
    waiting = play(accepted(), started("t1", "r1"), failed("r1"))
    assert ignored(waiting, started("t1", "r1")) == "started before"


def test_a_copy_of_a_start_that_was_turned_away_takes_nothing_over_when_it_comes_late():
    turned_away = apply(play(accepted(), started("t1", "r1")), started("duplicate", "r2")).job
    waiting = apply(turned_away, failed("r1")).job
    assert waiting is not None
    assert waiting.state is State.QUEUED
    assert ignored(waiting, started("duplicate", "r2")) == "started before"


def test_a_retryable_failure_waits_for_the_next_attempt_until_they_are_used_up():
    job = play(accepted(max_attempts=2), started("t1", "r1"), failed("r1"))
    assert job.state is State.QUEUED
    assert job.items[0].failure is not None
    job = play(accepted(max_attempts=2), started("t1", "r1"), failed("r1"), started("t2", "r2"), failed("r2"))
    assert job.state is State.FAILED
    assert kinds(job)[-2:] == ["ItemFinished", "JobFinished"]


def test_a_permanent_failure_is_not_retried():
    assert play(accepted(), started("t1", "r1"), failed("r1", retryable=False)).state is State.FAILED


def test_a_success_after_a_failure_leaves_no_error_behind():
    job = play(accepted(), started("t1", "r1"), failed("r1"), started("t2", "r2"), succeeded("r2"))
    assert job.items[0].failure is None
    assert job.failure is None


def test_a_dead_letter_fails_an_item_that_never_started():
    assert play(accepted(), dead("t1")).state is State.FAILED


def test_a_dead_letter_of_another_task_does_not_fail_an_item():
    assert ignored(play(accepted(), started("t1", "r1")), dead("t0"))
    assert ignored(play(accepted(), started("t1", "r1"), failed("r1", next_task="t2")), dead("t1"))
    assert play(accepted(), started("t1", "r1"), failed("r1", next_task="t2"), dead("t2")).state is State.FAILED


def test_tasks_of_a_refused_submission_do_not_touch_the_next_one():
    job = play(accepted())
    assert ignored(job, started("t1", "r1", accepted_id=b"the refused one"))
    assert ignored(job, dead("t1", accepted_id=b"the refused one"))


def test_cancel_ends_every_open_item_and_keeps_what_was_found():
    job = play(
        accepted(items=3),
        started("a", "ra", 0),
        succeeded("ra", 0),
        started("b", "rb", 1),
        Cancelled(**common(), reason="enough"),
    )
    assert [item.state for item in job.items] == [State.SUCCEEDED, State.CANCELLED, State.CANCELLED]
    assert job.state is State.CANCELLED
    assert job.failure == Failure("CANCELLED", "enough")
    assert job.items[0].result == b"found"


def test_only_items_that_never_started_expire():
    job = play(accepted(items=2), started("a", "ra", 0), Expired(**common()))
    assert [item.state for item in job.items] == [State.RUNNING, State.EXPIRED]
    assert play(accepted(items=2), Expired(**common())).state is State.EXPIRED
    assert ignored(play(accepted(), started("a", "ra"), failed("ra")), Expired(**common()))


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        (("succeed", "succeed"), State.SUCCEEDED),
        (("succeed", "fail"), State.PARTIALLY_SUCCEEDED),
        (("fail", "fail"), State.FAILED),
        (("fail", "expire"), State.FAILED),
        (("succeed", "expire"), State.PARTIALLY_SUCCEEDED),
        (("expire", "expire"), State.EXPIRED),
    ],
)
def test_a_job_ends_as_its_items_did(ends: tuple[str, ...], state: State):
    events: list[Event] = [accepted(items=2)]
    for item, end in enumerate(ends):
        if end != "expire":
            run = f"r{item}"
            events += [
                started(f"t{item}", run, item),
                succeeded(run, item) if end == "succeed" else failed(run, item, retryable=False),
            ]
    if "expire" in ends:
        events.append(Expired(**common()))
    job = play(*events)
    assert job.state is state
    assert kinds(job).count("ItemFinished") == 2
    assert kinds(job)[-1] == "JobFinished"


def test_a_finished_job_can_be_purged_and_no_other():
    assert apply(play(accepted(), Cancelled(**common(), reason="")), Purged(**common())) == Step(None)
    assert ignored(play(accepted()), Purged(**common()))


def test_an_event_of_an_unknown_job_or_item_is_ignored():
    assert apply(None, started("t1", "r1")) == Step(None, "no such job")
    assert ignored(play(accepted()), started("t1", "r1", item=1)) == "no such item"
    assert ignored(play(accepted()), started("t1", "r1", item=-1)) == "no such item"


def test_terminal_states_have_no_way_out_and_every_other_has():
    for state in State:
        if state is State.PARTIALLY_SUCCEEDED:
            assert state not in TRANSITIONS, "only of jobs"
        else:
            assert bool(TRANSITIONS[state]) is not state.terminal


def test_every_move_is_used_by_the_table():
    assert {move for row in TRANSITIONS.values() for move in row} == set(Move)


def test_a_job_needs_an_item_and_an_attempt():
    with pytest.raises(ValueError, match="at least one item"):
        spec(items=0)
    with pytest.raises(ValueError, match="one attempt"):
        spec(max_attempts=0)


def test_history_entries_are_told_with_the_time_of_their_event():
    job = play(accepted(), started("t1", "r1"), succeeded("r1"))
    assert [type(entry) for entry in job.history] == [JobAccepted, ItemStarted, ItemFinished, JobFinished]
    assert job.started_ns == job.history[1].time_ns
    assert job.ended_ns == job.history[-1].time_ns


def told(job: Job) -> list[tuple[int, bytes]]:
    return [(entry.attempt, entry.frames) for entry in job.history if isinstance(entry, FramesDetected)]


def test_the_frames_of_a_video_are_told_in_order_and_each_once():
    opened = play(accepted(), started("t1", "r1"), frames("r1", 0, 0))
    assert (opened.items[0].video, opened.items[0].frames) == (b"so far", 0)
    assert ignored(opened, frames("r1", 0, 0)) == "these frames were told before"
    job = play(accepted(), started("t1", "r1"), frames("r1", 0, 0), frames("r1", 0, 2), frames("r1", 2, 1))
    assert told(job) == [(1, b""), (1, bytes([0, 1])), (1, bytes([2]))]
    assert job.items[0].frames == 3
    assert job.state is State.RUNNING
    assert ignored(job, frames("r1", 2, 1)) == "these frames were told before"
    assert ignored(job, frames("r1", 4, 1)) == "frames before these were not told"


def test_only_the_run_that_has_a_video_tells_its_frames_and_its_end():
    job = play(accepted(), started("t1", "r1"), frames("r1", 0, 2), started("t1", "r2"))
    assert (job.items[0].video, job.items[0].frames) == (b"", 0), "a new attempt begins with the first frame"
    assert ignored(job, frames("r1", 2, 1)) == "another run has the item"
    assert ignored(job, watched("r1")) == "another run has told the frames"
    ended = play(accepted(), started("t1", "r1"), started("t1", "r2"), frames("r2", 0, 1), watched("r2"))
    assert (ended.state, ended.items[0].video) == (State.SUCCEEDED, b"whole")
    assert ignored(ended, frames("r2", 1, 1))


def test_a_video_that_fails_keeps_what_was_found_before():
    job = play(accepted(max_attempts=1), started("t1", "r1"), frames("r1", 0, 2), failed("r1", retryable=False))
    assert (job.state, job.items[0].video, told(job)) == (State.FAILED, b"so far", [(1, bytes([0, 1]))])
