"""Events in words."""

import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from myeye import Event, State, WatchResponse, reason, render
from myeye.v1 import event_pb2
from myeye.v1.detection_pb2 import Detection, DetectionResult
from myeye.v1.detection_service_pb2 import ItemProgress
from myeye.v1.job_pb2 import Item, Progress, QueueStatus

LOST = Status(message="the worker is gone")
LOST.details.add().Pack(ErrorInfo(reason="WORKER_LOST", domain="myeye"))
FOUND = Item(name="a.jpg", state=State.STATE_SUCCEEDED, result=DetectionResult(detections=[Detection()]))


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Event(job_accepted=event_pb2.JobAccepted(items_total=2)), "accepted, 2 pictures"),
        (Event(item_started=event_pb2.ItemStarted(item=0, attempt=1, worker="w1")), "a.jpg: attempt 1 on w1"),
        (Event(item_started=event_pb2.ItemStarted(item=1, attempt=2, worker="w1")), "picture 1: attempt 2 on w1"),
        (
            Event(item_retrying=event_pb2.ItemRetrying(item=0, attempt=1, error=LOST)),
            "a.jpg: attempt 1 failed, another follows: WORKER_LOST: the worker is gone",
        ),
        (Event(item_finished=event_pb2.ItemFinished(item=FOUND)), "a.jpg: 1 object"),
        (
            Event(item_finished=event_pb2.ItemFinished(item=Item(index=3, state=State.STATE_FAILED, error=LOST))),
            "picture 3: failed: WORKER_LOST: the worker is gone",
        ),
        (
            Event(
                job_finished=event_pb2.JobFinished(
                    state=State.STATE_PARTIALLY_SUCCEEDED, progress=Progress(items_done=1, items_failed=1, items_total=2)
                )
            ),
            "PARTIALLY_SUCCEEDED, 1 of 2 pictures done, 1 not",
        ),
        (Event(), "something that this version does not know"),
    ],
)
def test_an_event_is_told_in_words(event, text):
    assert render.event(event, {0: "a.jpg"}) == text


@pytest.mark.parametrize(
    ("update", "text"),
    [
        (WatchResponse(queue=QueueStatus(approximate_position=1)), "queued, about 1 picture before it"),
        (WatchResponse(queue=QueueStatus(waiting_reason="no worker has the model")), "queued: no worker has the model"),
        (WatchResponse(item_progress=ItemProgress(item=0, stage=ItemProgress.STAGE_DECODING)), "decoding a.jpg"),
    ],
)
def test_an_update_is_told_in_words(update, text):
    assert render.update(update, {0: "a.jpg"}) == text


def test_the_reason_of_a_failure_is_read_beside_details_of_unknown_types():
    status = Status(message="no", details=[Any(type_url="type.googleapis.com/other.Type", value=b"x"), *LOST.details])
    assert reason(status) == "WORKER_LOST"
    assert reason(Status()) == ""
