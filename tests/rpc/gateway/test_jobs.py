"""Get, Wait, List, Cancel, Retry, Delete, and what time does to jobs."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2

from dispatch.blobs import open_blobs
from dispatch.codec import spec_of
from dispatch.events import Accepted
from dispatch.journal import new_event_id
from dispatch.ports import Lane, Queue
from dispatch.v1.event_pb2 import JobSpec, StoredInput
from dispatch.v1.task_pb2 import Task
from gateway.ids import job_id
from gateway.limits import Limits
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.job_pb2 import STATE_CANCELLED, STATE_EXPIRED, STATE_FAILED, STATE_QUEUED, STATE_RUNNING, STATE_SUCCEEDED


async def finished(front, hand, **fields):
    job = await front.submit(**fields)
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries, "cat")
    return (await front.stub.Wait(pb.WaitRequest(job_id=job.id))).job


async def test_wait_answers_when_the_job_ends(front, hand):
    job = await finished(front, hand)
    assert job.state == STATE_SUCCEEDED
    assert job.items[0].result.detections[0].category == "cat"
    assert job.expire_time.seconds - job.end_time.seconds == 86_400


async def test_wait_answers_with_the_latest_state_when_the_time_is_up(front):
    job = await front.submit()
    answer = await front.stub.Wait(pb.WaitRequest(job_id=job.id, timeout=Duration(nanos=1)))
    assert answer.job.state == STATE_QUEUED


@pytest.mark.parametrize("timeout", [Duration(), Duration(seconds=61), Duration(seconds=-1)])
async def test_wait_refuses_a_timeout_out_of_range(front, refused, timeout):
    job = await front.submit()
    call = front.stub.Wait(pb.WaitRequest(job_id=job.id, timeout=timeout))
    await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_a_running_job_shows_attempt_and_worker(front, hand):
    job = await front.submit()
    async with hand.taking() as deliveries:
        await hand.start(await anext(deliveries))
        job = (await front.stub.Get(pb.GetRequest(job_id=job.id))).job
    assert (job.state, job.attempt, job.items[0].worker) == (STATE_RUNNING, 1, "hand")
    assert not job.HasField("queue")


async def test_cancel_ends_a_job_for_good(front, hand):
    job = await front.submit(2)
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries, "cat")
        cancelled = (await front.stub.Cancel(pb.CancelRequest(job_id=job.id, reason="enough"))).job
        task, run = await hand.start(await anext(deliveries))
        await hand.succeed(task, run)
    assert cancelled.state == STATE_CANCELLED
    assert cancelled.error.code == code_pb2.CANCELLED
    assert cancelled.error.message == "enough"
    assert [item.state for item in cancelled.items] == [STATE_SUCCEEDED, STATE_CANCELLED]
    assert (await front.stub.Get(pb.GetRequest(job_id=job.id))).job == cancelled
    assert (await front.stub.Cancel(pb.CancelRequest(job_id=job.id))).job == cancelled, "again is fine"


async def test_a_finished_job_cannot_be_cancelled(front, hand, refused):
    job = await finished(front, hand)
    details = await refused(
        front.stub.Cancel(pb.CancelRequest(job_id=job.id)), grpc.StatusCode.FAILED_PRECONDITION, "JOB_FINISHED"
    )
    assert details["ErrorInfo"].metadata["state"] == "SUCCEEDED"


async def test_a_cancel_reason_has_a_limit(front, refused):
    job = await front.submit()
    limit = Limits().max_reason_length
    over = front.stub.Cancel(pb.CancelRequest(job_id=job.id, reason="r" * (limit + 1)))
    await refused(over, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert (await front.stub.Cancel(pb.CancelRequest(job_id=job.id, reason="r" * limit))).job.state == STATE_CANCELLED


async def test_retry_makes_a_new_job_of_what_did_not_succeed(front, hand):
    old = await front.submit(2, labels={"a": "1"})
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries, "cat")
        delivery = await anext(deliveries)
        await hand.fail(*await hand.start(delivery))
        await delivery.ack()
        new = (await front.stub.Retry(pb.RetryRequest(job_id=old.id, request_id="again"))).job
        assert new.retry_of == old.id
        assert [item.name for item in new.items] == ["p1"]
        assert dict(new.labels) == {"a": "1"}
        await front.stub.Delete(pb.DeleteRequest(job_id=old.id))
        delivery = await anext(deliveries)
        blob = Task.FromString(delivery.body).input_blob
        assert await open_blobs(front.config.blobs).get(blob) == b"picture 1", "it has its own copy"
        await hand.succeed(*await hand.start(delivery))
        await delivery.ack()
    again = await front.stub.Wait(pb.WaitRequest(job_id=new.id))
    assert again.job.state == STATE_SUCCEEDED


async def test_retry_with_the_same_request_id_makes_one_job(front):
    old = await front.submit()
    await front.stub.Cancel(pb.CancelRequest(job_id=old.id))
    answers = [await front.stub.Retry(pb.RetryRequest(job_id=old.id, request_id="again")) for _ in range(2)]
    assert answers[0].job.id == answers[1].job.id
    assert [answer.replayed for answer in answers] == [False, True]


async def test_retry_refuses_what_has_not_ended_or_has_succeeded(front, hand, refused):
    job = await front.submit()
    call = front.stub.Retry(pb.RetryRequest(job_id=job.id))
    await refused(call, grpc.StatusCode.FAILED_PRECONDITION, "JOB_NOT_FINISHED")
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries)
    call = front.stub.Retry(pb.RetryRequest(job_id=job.id))
    await refused(call, grpc.StatusCode.FAILED_PRECONDITION, "JOB_SUCCEEDED")


async def test_retry_of_a_job_whose_picture_is_gone_says_which(front, refused):
    job = await front.submit()
    await front.stub.Cancel(pb.CancelRequest(job_id=job.id))
    await open_blobs(front.config.blobs).delete_prefix(f"jobs/{job.id}/")
    call = front.stub.Retry(pb.RetryRequest(job_id=job.id))
    await refused(call, grpc.StatusCode.FAILED_PRECONDITION, "INPUT_MISSING")
    assert len((await front.stub.List(pb.ListRequest())).jobs) == 1


async def test_delete_removes_a_finished_job_and_its_pictures(front, hand, refused):
    job = await front.submit()
    call = front.stub.Delete(pb.DeleteRequest(job_id=job.id))
    await refused(call, grpc.StatusCode.FAILED_PRECONDITION, "JOB_NOT_FINISHED")
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries)
    await front.stub.Delete(pb.DeleteRequest(job_id=job.id))
    await refused(front.stub.Get(pb.GetRequest(job_id=job.id)), grpc.StatusCode.NOT_FOUND, "JOB_PURGED")
    assert front.blobs == []
    assert not (await front.stub.List(pb.ListRequest())).jobs


async def test_a_finished_job_goes_when_its_time_is_up_and_leaves_a_tombstone(start, hand, refused):
    async with start(tombstone_s=1.0) as front:
        job = await finished(front, hand, ttl=Duration(nanos=1))
        async with asyncio.timeout(30):
            reason = ""
            while reason != "JOB_PURGED":
                try:
                    await front.stub.Wait(pb.WaitRequest(job_id=job.id))
                except grpc.aio.AioRpcError as error:
                    reason = "JOB_PURGED" if "has been removed" in (error.details() or "") else str(error)
        assert front.blobs == []
        async with asyncio.timeout(30):
            while reason != "JOB_NOT_FOUND":
                try:
                    await front.stub.Get(pb.GetRequest(job_id=job.id))
                except grpc.aio.AioRpcError as error:
                    reason = "JOB_NOT_FOUND" if "no job" in (error.details() or "") else ""


async def test_a_job_that_nobody_takes_in_time_expires(front):
    job = await front.submit(start_deadline=Duration(nanos=1))
    events = await front.events(job.id)
    assert events[-1].job_finished.state == STATE_EXPIRED
    assert [event.sequence for event in events] == [1, 2, 3]


async def test_a_job_accepted_by_a_gateway_that_died_is_enqueued_by_another(front, hand):
    """What is left when a gateway is killed right after its Accepted event."""
    spec = JobSpec(inputs=[StoredInput(blob="jobs/x/0/input")], model="efficientdet-lite0", max_attempts=3, priority=2)
    spec.ttl.seconds = 60
    orphan = Accepted(
        id=new_event_id(), job_id=job_id("", "Submit", ""), time_ns=1, spec=spec_of(spec.SerializeToString()), digest=b"d"
    )
    await hand.journal.commit(orphan)
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries, "cat")
    events = await front.events(orphan.job_id)
    assert [event.sequence for event in events] == [1, 2, 3, 4]


async def test_a_dead_letter_fails_its_item(front, hand):
    job = await front.submit()
    async with hand.taking() as deliveries:
        await (await anext(deliveries)).reject()
    events = await front.events(job.id)
    assert events[-1].job_finished.state == STATE_FAILED
    assert "gave the task up" in events[-1].job_finished.error.message


async def test_a_dead_letter_that_is_no_task_is_dropped_and_does_no_harm(front, hand):
    await hand.broker.tasks.publish(Queue("efficientdet-lite0", Lane.NORMAL), b"\xff garbage")
    async with hand.taking() as deliveries:
        await (await anext(deliveries)).reject()
        job = await front.submit()
        await hand.finish_next(deliveries)
    assert len(await front.events(job.id)) == 4
