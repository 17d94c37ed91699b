"""SubmitImage: as Submit, for one picture that is the body of the request."""

from __future__ import annotations

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.duration_pb2 import Duration

from dispatch.ports import Lane
from dispatch.v1.task_pb2 import Task
from gateway.limits import Limits
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.detection_pb2 import DetectionOptions
from myeye.v1.job_pb2 import PRIORITY_HIGH, PRIORITY_NORMAL, STATE_QUEUED, Input


def image(data=b"picture 0", **fields):
    return pb.SubmitImageRequest(image=HttpBody(content_type="application/x-www-form-urlencoded", data=data), **fields)


async def test_the_body_becomes_the_only_item_and_the_defaults_are_those_of_submit(front):
    job = (await front.stub.SubmitImage(image())).job
    assert (job.state, job.priority, job.model) == (STATE_QUEUED, PRIORITY_NORMAL, "efficientdet-lite0")
    assert [path.read_bytes() for path in front.blobs] == [b"picture 0"]
    assert [item.index for item in job.items] == [0]


async def test_everything_beside_the_body_is_as_in_submit(front, hand):
    request = image(
        name="dog.jpg",
        options=DetectionOptions(score_threshold=0.0, category_allowlist=["dog"]),
        annotate=True,
        priority=PRIORITY_HIGH,
        labels=["album=42", "shelf", "path=a=b", "album=43"],
        execution_timeout=Duration(seconds=7),
        max_attempts=2,
        start_deadline=Duration(seconds=60),
    )
    job = (await front.stub.SubmitImage(request)).job
    assert dict(job.labels) == {"album": "43", "shelf": "", "path": "a=b"}
    assert [item.name for item in job.items] == ["dog.jpg"]
    async with hand.taking(Lane.HIGH) as deliveries:
        task = Task.FromString((await anext(deliveries)).body)
    assert task.options.HasField("score_threshold")
    assert list(task.options.category_allowlist) == ["dog"]
    assert task.annotated_blob
    assert (task.execution_timeout.seconds, task.max_attempts) == (7, 2)
    assert task.start_deadline_time.seconds - task.create_time.seconds == 60


async def test_it_and_submit_share_their_request_ids(front):
    first = await front.stub.SubmitImage(image(name="p", request_id="r", labels=["a=1"]))
    submit = pb.SubmitRequest(request_id="r", inputs=[Input(name="p", content=b"picture 0")], labels={"a": "1"})
    again = await front.stub.Submit(submit)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.job.id == first.job.id
    assert (await front.stub.SubmitImage(image(name="p", request_id="r", labels=["a=1"]))).replayed


async def test_another_picture_under_the_same_request_id_is_a_conflict(front, refused):
    job = (await front.stub.SubmitImage(image(request_id="r"))).job
    call = front.stub.SubmitImage(image(b"other", request_id="r"))
    details = await refused(call, grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert details["ErrorInfo"].metadata["job_id"] == job.id


async def test_a_bad_request_names_the_fields_as_this_request_has_them(front, refused):
    request = pb.SubmitImageRequest(
        name="n" * 256, labels=["=1", "Big=1"], options=DetectionOptions(score_threshold=7), max_attempts=-1, ttl=Duration()
    )
    details = await refused(front.stub.SubmitImage(request), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    fields = [violation.field for violation in details["BadRequest"].field_violations]
    assert fields == ["name", "image.data", "options.score_threshold", "labels['']", "labels['Big']", "max_attempts", "ttl"]


async def test_a_name_as_long_as_the_limit_is_fine(front):
    name = "n" * Limits().max_name_length
    assert (await front.stub.SubmitImage(image(name=name))).job.items[0].name == name


async def test_an_unknown_model_is_answered_with_the_known_ones(front, refused):
    details = await refused(front.stub.SubmitImage(image(model="yolo")), grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
    assert details["ErrorInfo"].metadata["models"] == "efficientdet-lite0"


async def test_a_full_queue_refuses_and_keeps_nothing(start, refused):
    async with start(max_queue_length=1) as front:
        await front.submit()
        await refused(front.stub.SubmitImage(image()), grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
        assert len(front.blobs) == 1


async def test_a_picture_over_the_limit_is_refused_and_one_below_is_not(start):
    async with start(Limits(max_message_bytes=10_000)) as front:
        assert (await front.stub.SubmitImage(image(b"p" * 9_900))).job.id
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await front.stub.SubmitImage(image(b"p" * 10_000))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
