"""The checker is known to bite: a sound record passes, and each breach of a promise is told."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from myeye.v1.capabilities_pb2 import Holdings
from myeye.v1.detection_pb2 import Detection, DetectionResult
from myeye.v1.event_pb2 import Event, ItemFinished, ItemRetrying, ItemStarted, JobAccepted, JobFinished
from myeye.v1.job_pb2 import (
    STATE_CANCELLED,
    STATE_FAILED,
    STATE_PARTIALLY_SUCCEEDED,
    STATE_RUNNING,
    STATE_SUCCEEDED,
    Item,
    Job,
    State,
)
from tests.torture.checker import breaches
from tests.torture.detector import annotated, finding
from tests.torture.records import Aftermath, Method, Picture, Record, Sight, Submission

JOB = Submission("r", (), 1).derived_id
GOOD = Picture("good", b"good:1")


def told(state: State.ValueType, item: State.ValueType) -> list[tuple[int, bytes]]:
    """Tell the history of a job of one picture."""
    events = [
        Event(job_accepted=JobAccepted(items_total=1)),
        Event(item_started=ItemStarted(attempt=1)),
        Event(item_finished=ItemFinished(item=Item(state=item))),
        Event(job_finished=JobFinished(state=state)),
    ]
    for number, event in enumerate(events, 1):
        event.sequence = number
    return [(event.sequence, event.SerializeToString(deterministic=True)) for event in events]


EVENTS = told(STATE_SUCCEEDED, STATE_SUCCEEDED)


def failure(reason: str) -> Status:
    packed = Any()
    packed.Pack(ErrorInfo(reason=reason))
    return Status(details=[packed])


def job(
    state: int = STATE_SUCCEEDED, found: str = finding(GOOD.content), reason: str = "", attempt: int = 1, **fields: str
) -> Job:
    item = Item(state=state, attempt=attempt, result=DetectionResult(detections=[Detection(category=found)]))
    if reason:
        item.error.CopyFrom(failure(reason))
    return Job(**{"id": JOB, "state": state, "items": [item], **fields})  # type: ignore[arg-type]


def sound() -> Record:
    submission = Submission("r", (GOOD,), 3, job_ids=[JOB, JOB], sights=[Sight(list(EVENTS), ended_ok=True), Sight(EVENTS[:2])])
    after = Aftermath(
        jobs=[{JOB: job()}, {JOB: job()}],
        histories=[{JOB: list(EVENTS)}, {JOB: list(EVENTS)}],
        listed=[{JOB: ""}, {JOB: ""}],
        holdings=[{"": Holdings(stored_bytes=len(GOOD.content))} for _ in range(2)],
        blob_folders={JOB},
        kept_folders={JOB},
    )
    return Record(submissions=[submission], aftermath=after)


def refused_with_blobs(record: Record) -> Submission:
    submission = Submission("s", (GOOD,), 3, refused="QUEUE_FULL")
    record.aftermath.blob_folders.add(submission.derived_id)
    return submission


def everywhere(record: Record, **changes: object) -> None:
    record.aftermath.jobs = [{JOB: job(**changes)} for _ in record.aftermath.jobs]  # type: ignore[arg-type]


def test_a_sound_record_passes():
    assert breaches(sound()) == []


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda r: r.submissions[0].job_ids.append("k"), "several jobs"),
        (lambda r: setattr(r.submissions[0], "refused", "QUEUE_FULL"), "refused"),
        (lambda r: [histories.clear() for histories in r.aftermath.histories], "it is lost"),
        (lambda r: r.aftermath.histories[1][JOB].pop(), "different histories"),
        (lambda r: [histories[JOB].pop(1) for histories in r.aftermath.histories], "numbered"),
        (lambda r: [histories[JOB].pop() for histories in r.aftermath.histories], "exactly one terminal"),
        (lambda r: r.submissions[0].sights[0].events.pop(1), "watcher 0 was told"),
        (lambda r: r.submissions[0].sights[1].events.append(EVENTS[1]), "watcher 1 was told"),
        (lambda r: r.submissions[0].sights[1].events.append((3, EVENTS[1][1])), "something else"),
        (lambda r: setattr(r.submissions[0].sights[1], "ended_ok", True), "ended OK after 2 of 4"),
        (lambda r: everywhere(r, state=STATE_FAILED), "saw it end in state"),
        (lambda r: everywhere(r, retry_of="k"), "says that it repeats k, not nothing"),
        (lambda r: r.aftermath.jobs[1].clear(), "does not know"),
        (lambda r: r.aftermath.jobs[1].update({JOB: job(attempt=2)}), "disagree"),
        (lambda r: setattr(r.submissions[0], "cancelled", True), "Cancel answered OK"),
        (lambda r: everywhere(r, state=STATE_RUNNING), "ended in state"),
        (lambda r: everywhere(r, state=STATE_FAILED, reason="WORKER_LOST"), "ended in state"),
        (lambda r: everywhere(r, found="another"), "result of another"),
        (lambda r: everywhere(r, reason="DETECTOR_CRASHED"), "poison of another"),
        (lambda r: everywhere(r, attempt=4), "4 attempts of 3"),
        (lambda r: setattr(r.submissions[0], "asked", (Picture("bad", b"bad:1"),)), "not IMAGE_INVALID"),
        (lambda r: r.aftermath.listed[0].update(stranger=""), "nobody was told of"),
        (lambda r: r.aftermath.listed[1].clear(), "does not list"),
        (lambda r: r.aftermath.kept_folders.clear(), "lost their blobs"),
        (lambda r: r.submissions.append(refused_with_blobs(r)), "left blobs behind"),
        (lambda r: setattr(r.submissions[0], "request_id", "other"), "not the one that its request_id makes"),
        (lambda r: setattr(r.aftermath, "waiting_tasks", 1), "still wait"),
        (lambda r: r.aftermath.unhealed.append("gateway 0 is down"), "gateway 0 is down"),
        (lambda r: r.aftermath.holdings[1][""].MergeFrom(Holdings(jobs=1)), "has 1 jobs and 0 items"),
        (lambda r: r.aftermath.holdings[1][""].MergeFrom(Holdings(items=1)), "has 0 jobs and 1 items"),
        (lambda r: r.aftermath.holdings[1][""].MergeFrom(Holdings(stored_bytes=1)), "has 1 bytes"),
        (lambda r: r.aftermath.growth.append("it grew"), "it grew"),
    ],
)
def test_every_breach_is_told(spoil: Callable[[Record], None], told: str):
    record = deepcopy(sound())
    spoil(record)
    assert any(told in breach for breach in breaches(record)), breaches(record)


BAD = Picture("bad", b"bad:1")
DONE = Picture("good", b"good:2")


def retried() -> Record:
    """Tell of a job of two pictures, one of which failed, that was retried by RetryMany and by Retry."""
    items = [job(STATE_FAILED, reason="IMAGE_INVALID").items[0], Item(state=STATE_SUCCEEDED, index=1)]
    items[1].result.detections.append(Detection(category=finding(DONE.content)))
    half = told(STATE_PARTIALLY_SUCCEEDED, STATE_FAILED)
    good = Event(sequence=4, item_finished=ItemFinished(item=items[1])).SerializeToString(deterministic=True)
    end = Event(sequence=5, job_finished=JobFinished(state=STATE_PARTIALLY_SUCCEEDED)).SerializeToString(deterministic=True)
    half[3:] = [(4, good), (5, end)]
    old = Submission("r", (BAD, DONE), 3, job_ids=[JOB], sights=[Sight(half, ended_ok=True)])
    many = Submission("s", (), 3, method=Method.RETRY_MANY, origin=old)
    one = Submission("t", (), 3, method=Method.RETRY, origin=old)
    jobs = {JOB: Job(id=JOB, state=STATE_PARTIALLY_SUCCEEDED, items=items)}
    histories = {JOB: half}
    for new in (many, one):
        new.job_ids = [new.derived_id, new.derived_id]
        jobs[new.derived_id] = Job(id=new.derived_id, retry_of=JOB, state=STATE_FAILED, items=items[:1])
        histories[new.derived_id] = told(STATE_FAILED, STATE_FAILED)
    listed = {job_id: job.retry_of for job_id, job in jobs.items()}
    held = {"": Holdings(stored_bytes=3 * len(BAD.content) + len(DONE.content))}
    return Record(
        submissions=[old, many, one],
        told_retried=[(JOB, many.derived_id)],
        aftermath=Aftermath(
            jobs=[jobs, jobs], histories=[histories, histories], listed=[listed, listed], holdings=[held], kept_folders=set(jobs)
        ),
    )


def test_retries_of_what_was_left_to_do_are_sound():
    record = retried()
    assert [submission.pictures for submission in record.submissions] == [(BAD, DONE), (BAD,), (BAD,)]
    assert breaches(record) == []


def another_of_retry_many(record: Record) -> None:
    """Have a second retry of the same job, which somebody was told of."""
    (old, many, _) = record.submissions
    twin = Submission("u", (), 3, method=Method.RETRY_MANY, origin=old, job_ids=["twin"])
    record.submissions.append(twin)
    for listed in record.aftermath.listed:
        listed["twin"] = JOB
    many.refused = ""


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda r: r.submissions[1].job_ids.append("k"), "several jobs"),
        (lambda r: r.submissions[2].job_ids.append("k"), "several jobs"),
        (lambda r: r.submissions[2].job_ids.insert(0, "k"), "not the one that its request_id makes"),
        (another_of_retry_many, "lists 2 jobs that RetryMany made of it"),
        (lambda r: r.aftermath.jobs[0][r.submissions[1].derived_id].ClearField("retry_of"), "says that it repeats nothing"),
        (lambda r: setattr(r.aftermath.jobs[0][JOB], "state", STATE_SUCCEEDED), "saw it end in state"),
        (lambda r: setattr(r.submissions[0], "asked", (BAD, DONE, BAD)), "1 of 2 items ended"),
        (lambda r: setattr(r.submissions[0], "asked", (GOOD, DONE)), "ended in state"),
        (lambda r: r.told_retried.append(("k", JOB)), "nobody was told of that"),
        (lambda r: r.told_retried.append((JOB, "k")), "nobody was told of that"),
        (lambda r: r.overlooked.append(JOB), "did not speak of it"),
        (lambda r: r.unknown.append("k"), "RetryMany spoke of it"),
        (lambda r: setattr(r.submissions[2], "refused", "JOB_NOT_FINISHED"), "nothing spoke against it"),
        (lambda r: setattr(r.submissions[2], "refused", "JOB_PURGED"), "nothing spoke against it"),
        (lambda r: setattr(r.submissions[2], "refused", "QUOTA_JOBS"), "and accepted"),
    ],
)
def test_every_breach_about_retries_is_told(spoil: Callable[[Record], None], told: str):
    record = retried()
    spoil(record)
    assert any(told in breach for breach in breaches(record)), breaches(record)


def test_a_retry_that_was_in_doubt_when_its_origin_went_may_be_there_or_not():
    record = retried()
    one = record.submissions[2]
    record.cut.add(JOB)
    one.job_ids, one.refused, one.doubtful = [], "JOB_PURGED", True
    record.told_retried.clear()
    assert breaches(record) == []
    one.doubtful = False
    assert any("nobody was told of" in breach for breach in breaches(record))


def test_an_attempt_that_a_worker_is_said_to_have_cost_is_a_breach_where_nothing_happened_to_workers():
    record = sound()
    lost = Event(sequence=2, item_retrying=ItemRetrying(attempt=1, error=failure("WORKER_LOST")))
    for histories in record.aftermath.histories:
        history = [EVENTS[0], (2, lost.SerializeToString()), *EVENTS[2:]]
        histories[JOB] = history
    record.submissions[0].sights.clear()
    assert breaches(record) == []
    record.undisturbed = True
    assert any("none was" in breach for breach in breaches(record))


def test_a_drawing_that_is_not_there_is_a_breach():
    record = sound()
    record.submissions[0].annotate = True
    assert any("has not the drawing" in breach for breach in breaches(record))
    record.aftermath.annotated[JOB, 0] = annotated(GOOD.content)
    assert breaches(record) == []


def cut(*, gone: bool) -> Record:
    """Tell of a job whose beginning the log has dropped, on all nodes or on some."""
    record = sound()
    record.cut.add(JOB)
    if gone:
        record.aftermath = Aftermath(jobs=[{}, {}], histories=[{}, {}], listed=[{}, {}], gone={JOB})
    return record


@pytest.mark.parametrize("gone", [True, False])
def test_a_job_whose_beginning_the_log_has_dropped_may_be_gone_and_need_not_where_a_node_has_it(gone: bool):
    assert breaches(cut(gone=gone)) == []


def test_a_job_that_no_gateway_tells_of_may_be_had_by_a_node():
    record = cut(gone=True)
    record.aftermath.gone.clear()
    assert breaches(record) == []


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda r: r.aftermath.jobs[1].update({JOB: job()}), "still tells of it"),
        (lambda r: r.aftermath.listed[0].update({JOB: ""}), "still tells of it"),
        (lambda r: r.aftermath.kept_folders.add(JOB), "its blobs stay"),
        (lambda r: r.submissions[0].sights[1].events.append((3, EVENTS[1][1])), "something else"),
        (lambda r: r.submissions[0].sights[0].events.pop(1), "watcher 0 was told"),
        (lambda r: setattr(r.submissions[0].sights[1], "ended_ok", True), "exactly one end"),
        (lambda r: r.submissions[0].sights[0].events.append((5, EVENTS[3][1])), "exactly one end"),
        (lambda r: r.submissions[0].job_ids.append("k"), "several jobs"),
    ],
)
def test_every_breach_about_a_job_that_is_gone_is_told(spoil: Callable[[Record], None], told: str):
    record = cut(gone=True)
    spoil(record)
    assert any(told in breach for breach in breaches(record)), breaches(record)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda r: [of_one.clear() for of_one in (r.aftermath.jobs[1], r.aftermath.listed[1])], "others do not"),
        (lambda r: r.aftermath.histories[1][JOB].pop(), "different histories"),
        (lambda r: r.aftermath.jobs[1].update({JOB: job(attempt=2)}), "disagree"),
    ],
)
def test_every_breach_about_a_job_that_a_node_still_has_is_told(spoil: Callable[[Record], None], told: str):
    record = cut(gone=False)
    spoil(record)
    assert any(told in breach for breach in breaches(record)), breaches(record)


def test_blobs_may_stay_of_a_job_that_was_refused_while_nothing_could_be_removed():
    record = sound()
    record.submissions.append(refused_with_blobs(record))
    record.submissions[-1].refused_at_s = 30.0
    assert breaches(record)
    record.blob_troubles.append((29.0, 31.0))
    assert breaches(record) == []


def test_a_cancelled_item_of_a_cancelled_job_is_no_breach():
    record = sound()
    record.submissions[0].cancelled = True
    everywhere(record, state=STATE_CANCELLED)
    record.submissions[0].sights.clear()
    assert breaches(record) == []
