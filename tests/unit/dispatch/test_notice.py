"""Who calls the webhook of a job that has ended, and when that is over: decided by the order of the log."""

from __future__ import annotations

import itertools

from dispatch.events import Accepted, Cancelled, Event, NoticeBegan, NoticeEnded, Purged, Spec
from dispatch.lifecycle import Job, Notice, Telling, apply

ticks = itertools.count(1)


def tell(kind: type[Event], **fields: object) -> Event:
    tick = next(ticks)
    return kind(id=tick.to_bytes(12), job_id="j", time_ns=tick, **fields)


def began(attempt: int, until_ns: int = 100) -> Event:
    return tell(NoticeBegan, attempt=attempt, until_ns=until_ns)


def failed(attempt: int, next_ns: int | None = 200) -> Event:
    return tell(NoticeEnded, attempt=attempt, delivered=False, error="it answers 500", next_ns=next_ns)


def delivered(attempt: int) -> Event:
    return tell(NoticeEnded, attempt=attempt, delivered=True)


def accepted(*, webhook: bool = True) -> Job:
    spec = Spec("", "m", 2, 1, 1, 1, None, (), b"", webhook=webhook)
    job = apply(None, tell(Accepted, spec=spec, digest=b"")).job
    assert job is not None
    return job


def play(job: Job, *events: Event) -> Job:
    """Fold events that must all apply, and tell nothing of it to watchers."""
    for event in events:
        step = apply(job, event)
        assert step.job is not None
        assert not step.ignored, step.ignored
        assert step.job.history == job.history
        job = step.job
    return job


def ended(*, webhook: bool = True) -> Job:
    job = apply(accepted(webhook=webhook), tell(Cancelled, reason="")).job
    assert job is not None
    return job


def ignored(job: Job, event: Event) -> str:
    step = apply(job, event)
    assert step.job is job
    assert step.ignored
    return step.ignored


def test_only_of_a_job_that_has_ended_and_has_a_webhook_somebody_is_told() -> None:
    assert ended(webhook=False).notice is None
    for job in (accepted(), ended(webhook=False)):
        assert not job.owes_notice
        ignored(job, began(1))
        ignored(job, delivered(1))


def test_the_first_who_says_so_has_the_attempt_until_a_time() -> None:
    job = play(ended(), began(1, until_ns=100))
    assert job.notice == Notice(Telling.PENDING, 1, 100)
    assert ignored(job, began(1, until_ns=300)) == "another gateway has this attempt"
    ignored(job, began(3))


def test_what_was_in_vain_is_due_again() -> None:
    job = play(ended(), began(1), failed(1, 200))
    assert job.notice == Notice(Telling.PENDING, 1, 200, "it answers 500")
    assert play(job, began(2), delivered(2)).notice == Notice(Telling.DELIVERED, 2, 100)


def test_who_was_taken_for_lost_can_still_tell_of_success_but_not_of_failure() -> None:
    job = play(ended(), began(1), began(2))
    assert ignored(job, failed(1)) == "another attempt has begun"
    assert play(job, delivered(1)).notice == Notice(Telling.DELIVERED, 2, 100)


def test_what_is_settled_stays_so() -> None:
    for job in (play(ended(), began(1), delivered(1)), play(ended(), began(1), failed(1, None))):
        assert not job.owes_notice
        for event in (began(2), failed(1), delivered(1)):
            ignored(job, event)


def test_a_removed_job_owes_nothing() -> None:
    assert apply(play(ended(), began(1)), tell(Purged)).job is None
