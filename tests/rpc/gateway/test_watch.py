"""Watch: numbered, gap-free, the same for everybody, and at once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import grpc
import pytest

from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from myeye.v1.job_pb2 import STATE_FAILED, STATE_SUCCEEDED


async def test_the_whole_history_is_numbered_from_one_to_the_terminal_event(front, hand):
    job = await front.submit()
    watching = asyncio.ensure_future(front.events(job.id))
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries, "cat")
    events = await watching
    assert [event.sequence for event in events] == [1, 2, 3, 4]
    assert [event.WhichOneof("kind") for event in events] == ["job_accepted", "item_started", "item_finished", "job_finished"]
    assert events[2].item_finished.item.result.detections[0].category == "cat"
    assert events[3].job_finished.state == STATE_SUCCEEDED


async def test_without_a_cursor_a_snapshot_comes_at_once_and_then_what_follows(front, hand):
    job = await front.submit()
    call = front.stub.Watch(pb.WatchRequest(job_id=job.id))
    snapshot = await call.read()
    assert snapshot.snapshot.last_sequence == 1
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries)
    sequences = []
    while (message := await call.read()) is not grpc.aio.EOF:
        sequences += [message.event.sequence] if message.HasField("event") else []
    assert sequences == [2, 3, 4]
    assert await call.code() is grpc.StatusCode.OK


async def test_a_cursor_continues_where_it_stands(front, hand):
    job = await front.submit()
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries)
    assert [event.sequence for event in await front.events(job.id, after=2)] == [3, 4]
    assert await front.events(job.id, after=4) == []


@pytest.mark.parametrize("after", [-1, 5, 2**40])
async def test_a_cursor_beyond_the_history_is_out_of_range(front, hand, refused, after):
    job = await front.submit()
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries)
    details = await refused(front.events(job.id, after), grpc.StatusCode.OUT_OF_RANGE, "CURSOR_OUT_OF_RANGE")
    assert details["ErrorInfo"].metadata["last_sequence"] == "4"


async def test_watchers_who_come_early_and_late_get_the_same_bytes(front, hand):
    job = await front.submit()
    early = [asyncio.ensure_future(front.events(job.id)) for _ in range(5)]
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries, "cat", "dog")
    stories = [[event.SerializeToString() for event in await watching] for watching in early]
    late = [event.SerializeToString() for event in await front.events(job.id)]
    assert all(story == late for story in stories)


async def test_a_restarted_gateway_tells_the_same_bytes(start, hand):
    async with start() as front:
        job = await front.submit(2, labels={"a": "1", "b": "2"})
        async with hand.taking() as deliveries:
            await hand.finish_next(deliveries, "cat")
            await hand.finish_next(deliveries, "dog")
        before = [event.SerializeToString() for event in await front.events(job.id)]
        seen = await front.stub.Get(pb.GetRequest(job_id=job.id))
    async with start() as front:
        assert [event.SerializeToString() for event in await front.events(job.id)] == before
        assert await front.stub.Get(pb.GetRequest(job_id=job.id)) == seen


async def test_with_nothing_to_tell_after_the_cursor_the_first_message_is_a_heartbeat_at_once(start, hand):
    async with start(heartbeat_s=3600.0) as front, asyncio.timeout(20):
        job = await front.submit()
        async with hand.taking() as deliveries:
            _, _ = await hand.start(await anext(deliveries))
            call = front.stub.Watch(pb.WatchRequest(job_id=job.id, after_sequence=2))
            assert (await call.read()).WhichOneof("message") == "heartbeat"
            call.cancel()


async def test_an_idle_watch_has_a_heartbeat(start):
    async with start(heartbeat_s=0.05) as front:
        job = await front.submit()
        call = front.stub.Watch(pb.WatchRequest(job_id=job.id))
        kinds = [(await call.read()).WhichOneof("message") for _ in range(4)]
        assert kinds == ["snapshot", "queue", "heartbeat", "heartbeat"]
        call.cancel()


async def test_a_heartbeat_comes_although_the_queue_is_looked_at_every_second(start):
    async with start(heartbeat_s=1.5) as front:
        job = await front.submit()
        call = front.stub.Watch(pb.WatchRequest(job_id=job.id))
        async with asyncio.timeout(20):
            kinds = [(await call.read()).WhichOneof("message") for _ in range(3)]
        assert kinds == ["snapshot", "queue", "heartbeat"]
        call.cancel()


async def test_a_failed_item_is_told_by_the_job_and_the_watch_ends_well(front, hand):
    job = await front.submit()
    async with hand.taking() as deliveries:
        delivery = await anext(deliveries)
        await hand.fail(*await hand.start(delivery))
        await delivery.ack()
    events = await front.events(job.id)
    assert events[-1].job_finished.state == STATE_FAILED
    assert events[-1].job_finished.error.message == "not a picture"


async def test_a_retried_item_tells_of_every_attempt(front, hand):
    job = await front.submit()
    async with hand.taking() as deliveries:
        delivery = await anext(deliveries)
        await hand.fail(*await hand.start(delivery), retryable=True)
        task, run = await hand.start(delivery)
        await hand.succeed(task, run)
        await delivery.ack()
    kinds = [event.WhichOneof("kind") for event in await front.events(job.id)]
    assert kinds == ["job_accepted", "item_started", "item_retrying", "item_started", "item_finished", "job_finished"]


async def test_a_stopping_gateway_says_so_and_asks_to_come_again(start, refused):
    async with AsyncExitStack() as clients:
        async with start() as front:
            job = await front.submit()
            channel = await clients.enter_async_context(grpc.aio.insecure_channel(front.target))
            call = DetectionServiceStub(channel).Watch(pb.WatchRequest(job_id=job.id))
            assert (await call.read()).HasField("snapshot")
            assert (await call.read()).HasField("queue")
            last = asyncio.ensure_future(call.read())
        assert (await last).HasField("closing")
        details = await refused(call.read(), grpc.StatusCode.UNAVAILABLE, "DRAINING")
        assert "RetryInfo" in details


async def test_watching_an_unknown_job_is_not_found(front, refused):
    await refused(front.events("a" * 26), grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
    await refused(front.events("../etc"), grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
