"""A watcher's place in a job's history."""

import pytest

from myeye import ProtocolError, State, WatchResponse
from myeye.cursor import Cursor
from myeye.v1.detection_service_pb2 import Heartbeat
from myeye.v1.event_pb2 import Event, JobAccepted, JobFinished
from myeye.v1.job_pb2 import Job, QueueStatus


def event(sequence, **kind):
    return WatchResponse(event=Event(sequence=sequence, **(kind or {"job_accepted": JobAccepted()})))


def snapshot(sequence, state=State.STATE_RUNNING):
    return WatchResponse(snapshot=Job(last_sequence=sequence, state=state))


def test_the_next_event_is_told_and_moves_it():
    cursor = Cursor(4)
    assert cursor.accept(event(5))
    assert cursor == Cursor(5)


def test_an_event_told_before_is_not_told_again():
    cursor = Cursor(4)
    assert not cursor.accept(event(4))
    assert cursor == Cursor(4)


def test_a_gap_is_an_error_and_does_not_move_it():
    cursor = Cursor(4)
    with pytest.raises(ProtocolError):
        cursor.accept(event(6))
    assert cursor == Cursor(4)


def test_an_event_before_the_snapshot_is_an_error():
    with pytest.raises(ProtocolError):
        Cursor(None).accept(event(1))


def test_the_first_snapshot_sets_it():
    cursor = Cursor(None)
    assert cursor.accept(snapshot(7))
    assert cursor == Cursor(7)


@pytest.mark.parametrize("sequence", [3, 5])
def test_a_later_snapshot_that_skips_or_goes_back_is_an_error(sequence):
    with pytest.raises(ProtocolError):
        Cursor(4).accept(snapshot(sequence))


@pytest.mark.parametrize(
    "last", [event(5, job_finished=JobFinished(state=State.STATE_FAILED)), snapshot(5, State.STATE_CANCELLED)]
)
def test_the_jobs_end_finishes_it(last):
    cursor = Cursor(4 if last.HasField("event") else None)
    cursor.accept(last)
    assert cursor == Cursor(5, finished=True)


def test_only_what_tells_something_is_told():
    cursor = Cursor(4)
    assert cursor.accept(WatchResponse(queue=QueueStatus()))
    assert not cursor.accept(WatchResponse(heartbeat=Heartbeat()))
    assert not cursor.accept(WatchResponse())
