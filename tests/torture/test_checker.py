"""The checker is known to bite: a sound record passes, and each breach of a promise is told."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from myeye.v1.detection_pb2 import Detection, DetectionResult
from myeye.v1.event_pb2 import Event, ItemFinished, ItemStarted, JobAccepted, JobFinished
from myeye.v1.job_pb2 import STATE_CANCELLED, STATE_FAILED, STATE_RUNNING, STATE_SUCCEEDED, Item, Job
from tests.torture.checker import breaches
from tests.torture.detector import annotated, finding
from tests.torture.records import Aftermath, Picture, Record, Sight, Submission
from tests.torture.schedule import schedule

JOB = Submission("r", (), 1).derived_id
GOOD = Picture("good", b"good:1")
EVENTS = [
    (1, Event(sequence=1, job_accepted=JobAccepted(items_total=1)).SerializeToString()),
    (2, Event(sequence=2, item_started=ItemStarted(attempt=1)).SerializeToString()),
    (3, Event(sequence=3, item_finished=ItemFinished()).SerializeToString()),
    (4, Event(sequence=4, job_finished=JobFinished()).SerializeToString()),
]


def job(state: int = STATE_SUCCEEDED, found: str = finding(GOOD.content), reason: str = "", attempt: int = 1) -> Job:
    item = Item(state=state, attempt=attempt, result=DetectionResult(detections=[Detection(category=found)]))
    if reason:
        packed = Any()
        packed.Pack(ErrorInfo(reason=reason))
        item.error.CopyFrom(Status(details=[packed]))
    return Job(id=JOB, state=state, items=[item])


def sound() -> Record:
    submission = Submission("r", (GOOD,), 3, job_ids=[JOB, JOB], sights=[Sight(list(EVENTS), ended_ok=True), Sight(EVENTS[:2])])
    after = Aftermath(
        jobs=[{JOB: job()}, {JOB: job()}],
        histories=[{JOB: list(EVENTS)}, {JOB: list(EVENTS)}],
        listed=[{JOB}, {JOB}],
        blob_folders={JOB},
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
        (lambda r: r.submissions[0].sights[1].events.append((3, b"other")), "something else"),
        (lambda r: setattr(r.submissions[0].sights[1], "ended_ok", True), "ended OK after 2 of 4"),
        (lambda r: r.aftermath.jobs[1].clear(), "does not know"),
        (lambda r: r.aftermath.jobs[1].update({JOB: job(attempt=2)}), "disagree"),
        (lambda r: setattr(r.submissions[0], "cancelled", True), "Cancel answered OK"),
        (lambda r: everywhere(r, state=STATE_RUNNING), "ended in state"),
        (lambda r: everywhere(r, state=STATE_FAILED, reason="WORKER_LOST"), "ended in state"),
        (lambda r: everywhere(r, found="another"), "result of another"),
        (lambda r: everywhere(r, reason="DETECTOR_CRASHED"), "poison of another"),
        (lambda r: everywhere(r, attempt=4), "4 attempts of 3"),
        (lambda r: setattr(r.submissions[0], "pictures", (Picture("bad", b"bad:1"),)), "not IMAGE_INVALID"),
        (lambda r: r.aftermath.listed[0].add("stranger"), "nobody was told of"),
        (lambda r: r.aftermath.listed[1].clear(), "does not list"),
        (lambda r: r.aftermath.blob_folders.clear(), "lost their blobs"),
        (lambda r: r.submissions.append(refused_with_blobs(r)), "left blobs behind"),
        (lambda r: setattr(r.submissions[0], "request_id", "other"), "not the one that its request_id makes"),
        (lambda r: setattr(r.aftermath, "waiting_tasks", 1), "still wait"),
        (lambda r: r.aftermath.unhealed.append("gateway 0 is down"), "gateway 0 is down"),
        (lambda r: r.aftermath.growth.append("it grew"), "it grew"),
    ],
)
def test_every_breach_is_told(spoil: Callable[[Record], None], told: str):
    record = deepcopy(sound())
    spoil(record)
    assert any(told in breach for breach in breaches(record)), breaches(record)


def test_a_drawing_that_is_not_there_is_a_breach():
    record = sound()
    record.submissions[0].annotate = True
    assert any("has not the drawing" in breach for breach in breaches(record))
    record.aftermath.annotated[JOB, 0] = annotated(GOOD.content)
    assert breaches(record) == []


def test_a_job_whose_beginning_the_log_has_dropped_may_be_gone():
    record = sound()
    record.cut.add(JOB)
    record.aftermath = Aftermath(jobs=[{}, {}], histories=[{}, {}], listed=[set(), set()])
    assert breaches(record) == []


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
    assert breaches(record) == []


def test_the_same_seed_gives_the_same_faults_and_every_kind_comes_before_any_comes_again():
    targets = {"one": 1, "two": 2, "three": 3}
    faults = schedule(7, 60.0, targets)
    assert faults == schedule(7, 60.0, targets)
    assert faults != schedule(8, 60.0, targets)
    assert {fault.kind for fault in faults[:3]} == set(targets)
    assert all(fault.target < targets[fault.kind] for fault in faults)
