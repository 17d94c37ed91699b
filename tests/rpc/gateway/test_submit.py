"""Submit: what is accepted is durable, and what is refused leaves nothing behind."""

from __future__ import annotations

import asyncio
import hashlib

import grpc
import pytest

from dispatch.ports import Lane
from dispatch.v1.task_pb2 import Task
from gateway.limits import Limits
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.detection_pb2 import DetectionOptions
from myeye.v1.job_pb2 import PRIORITY_HIGH, PRIORITY_NORMAL, STATE_QUEUED, Input


async def test_a_job_is_answered_at_once_with_everything_filled_in(front):
    job = await front.submit(labels={"album": "42"}, annotate=True)
    assert len(job.id) == 26
    assert job.state == STATE_QUEUED
    assert job.priority == PRIORITY_NORMAL
    assert job.model == "efficientdet-lite0"
    assert dict(job.labels) == {"album": "42"}
    assert job.last_sequence == 1
    assert job.progress.items_total == 1
    assert [item.name for item in job.items] == ["p0"]
    assert job.queue.waiting_reason == "no worker with this model is alive"


async def test_each_item_becomes_a_task_that_says_all_a_worker_needs(front, hand):
    job = await front.submit(2, priority=PRIORITY_HIGH, annotate=True, options=DetectionOptions(score_threshold=0.0))
    async with hand.taking(Lane.HIGH) as deliveries:
        tasks = [Task.FromString((await anext(deliveries)).body) for _ in range(2)]
    assert [(task.job_id, task.item, task.attempt) for task in tasks] == [(job.id, 0, 1), (job.id, 1, 1)]
    assert tasks[0].options.score_threshold == 0.0
    assert tasks[0].options.HasField("score_threshold")
    assert tasks[0].annotated_blob != tasks[1].annotated_blob
    stored = {hashlib.sha256(path.read_bytes()).digest() for path in front.blobs}
    assert stored == {hashlib.sha256(b"picture %d" % i).digest() for i in range(2)}


async def test_a_bad_request_names_every_field(front, refused):
    request = pb.SubmitRequest(options=DetectionOptions(score_threshold=7), max_attempts=-1)
    details = await refused(front.stub.Submit(request), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    fields = [violation.field for violation in details["BadRequest"].field_violations]
    assert fields == ["inputs", "options.score_threshold", "max_attempts"]


async def test_an_empty_request_is_told_what_is_missing(front, refused):
    details = await refused(front.stub.Submit(pb.SubmitRequest()), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert details["BadRequest"].field_violations[0].description == "must be from 1 to 100 pictures or videos, not 0"


async def test_an_unknown_model_is_answered_with_the_known_ones(front, refused):
    request = pb.SubmitRequest(inputs=[Input(content=b"p")], model="yolo")
    details = await refused(front.stub.Submit(request), grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
    assert details["ErrorInfo"].metadata["models"] == "efficientdet-lite0"


async def test_the_same_request_id_gives_the_same_job(front, hand):
    request = pb.SubmitRequest(request_id="r", inputs=[Input(content=b"p")], labels={"a": "1", "b": "2"})
    answers = await asyncio.gather(*(front.stub.Submit(request) for _ in range(8)))
    assert len({answer.job.id for answer in answers}) == 1
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 7
    assert len(front.blobs) == 1, "the copies of the other calls are gone"
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries)
    events = await front.events(answers[0].job.id)
    assert [event.sequence for event in events] == [1, 2, 3, 4]
    assert (await front.stub.Submit(request)).job.id == answers[0].job.id, "also when it is finished"


async def test_another_request_under_the_same_request_id_is_a_conflict(front, refused):
    job = await front.submit(request_id="r")
    other = pb.SubmitRequest(request_id="r", inputs=[Input(content=b"other")])
    details = await refused(front.stub.Submit(other), grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert details["ErrorInfo"].metadata["job_id"] == job.id
    assert len(front.blobs) == 1


async def test_of_two_different_requests_under_one_id_at_once_one_wins(front, refused):
    requests = [pb.SubmitRequest(request_id="r", inputs=[Input(content=body)]) for body in (b"one", b"other")]
    outcomes = await asyncio.gather(*(front.stub.Submit(request) for request in requests), return_exceptions=True)
    errors = [outcome for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert [error.code() for error in errors] == [grpc.StatusCode.ALREADY_EXISTS]
    assert len(front.blobs) == 1


async def test_a_full_queue_refuses_and_keeps_nothing(start, hand, refused):
    async with start(max_queue_length=2) as front:
        first = await front.submit(2)
        request = pb.SubmitRequest(request_id="later", inputs=[Input(content=b"one"), Input(content=b"two")])
        details = await refused(front.stub.Submit(request), grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
        assert details["QuotaFailure"].violations[0].subject == "queue:efficientdet-lite0.NORMAL"
        assert details["RetryInfo"].retry_delay.ToTimedelta().total_seconds() > 0
        assert [job.id for job in (await front.stub.List(pb.ListRequest())).jobs] == [first.id]
        assert len(front.blobs) == 2
        async with hand.taking() as deliveries:
            await hand.finish_next(deliveries)
            await hand.finish_next(deliveries)
            later = await front.stub.Submit(request)
            assert not later.replayed
            await hand.finish_next(deliveries, "cat")
            await hand.finish_next(deliveries, "cat")
        events = await front.events(later.job.id)
        assert events[-1].job_finished.progress.items_done == 2, "the refused submission does not stand in the way of the next"


async def test_a_message_over_the_limit_is_refused_and_the_next_one_is_not(start):
    async with start(Limits(max_message_bytes=10_000)) as front:
        assert (await front.stub.GetCapabilities(pb.GetCapabilitiesRequest())).limits.max_message_bytes == 10_000
        fits = pb.SubmitRequest(inputs=[Input(content=b"p" * 9_900)])
        assert (await front.stub.Submit(fits)).job.id
        over = pb.SubmitRequest(inputs=[Input(content=b"p" * 10_000)])
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await front.stub.Submit(over)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "10000" in (caught.value.details() or "")


async def test_a_task_carries_the_traceparent_of_the_call_that_asked_for_it_and_a_retry_that_of_its_own(front, hand):
    first, second = (f"00-{digit * 32}-{digit * 16}-01" for digit in "12")
    job = (await front.stub.Submit(pb.SubmitRequest(inputs=[Input(content=b"x")]), metadata=[("traceparent", first)])).job
    async with hand.taking() as deliveries:
        delivery = await anext(deliveries)
        task, run = await hand.start(delivery)
        assert task.traceparent == first
        await hand.fail(task, run)
        await delivery.ack()
        await front.events(job.id)
        await front.stub.Retry(pb.RetryRequest(job_id=job.id), metadata=[("traceparent", second)])
        assert (await hand.start(await anext(deliveries)))[0].traceparent == second
        await front.stub.Submit(pb.SubmitRequest(inputs=[Input(content=b"y")]), metadata=[("traceparent", "nonsense")])
        assert (await hand.start(await anext(deliveries)))[0].traceparent == ""
