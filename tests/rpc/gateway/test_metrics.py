"""What a gateway tells Prometheus, held against what its client did."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import grpc
import pytest

from dispatch.ports import Lane
from gateway.fair_use import FairUse
from gateway.quota import read_quota
from harness.ports import free_port
from harness.scrape import Scrape, scrape
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.job_pb2 import PRIORITY_HIGH, Input

from .conftest import LIMIT_S, MODEL

HIGH = {"model": MODEL, "lane": "HIGH"}


@pytest.fixture
def address() -> str:
    return f"127.0.0.1:{free_port()}"


async def until(address: str, true_of: Callable[[Scrape], bool]) -> Scrape:
    """Scrape until something is so: what a call's end does is counted a moment after its client has heard of it."""
    async with asyncio.timeout(LIMIT_S):
        while not true_of(found := await asyncio.to_thread(scrape, address)):  # noqa: ASYNC110 - it tells only who asks
            await asyncio.sleep(0.02)
    return found


async def test_calls_are_counted_by_method_and_code_and_watchers_while_they_watch(start, hand, address: str) -> None:
    async with start(metrics=address) as front:
        job = await front.submit()
        await front.stub.Get(pb.GetRequest(job_id=job.id))
        with pytest.raises(grpc.aio.AioRpcError):
            await front.stub.Get(pb.GetRequest(job_id="nobody's"))
        with pytest.raises(grpc.aio.AioRpcError):
            await front.stub.Submit(pb.SubmitRequest())
        watch = front.stub.Watch(pb.WatchRequest(job_id=job.id))
        await watch.read()
        assert (await until(address, lambda found: True)).sum("myeye_grpc_calls_in_progress", method="Watch") == 1
        watch.cancel()
        found = await until(address, lambda found: found.sum("myeye_grpc_calls_total", method="Watch", code="CANCELLED") == 1)
        assert found.sum("myeye_grpc_calls_in_progress") == 0
        assert found.sum("myeye_grpc_calls_total", method="Get", code="OK") == 1
        assert found.sum("myeye_grpc_calls_total", method="Get", code="NOT_FOUND") == 1
        assert found.sum("myeye_grpc_calls_total", method="Submit", code="OK") == 1
        assert found.sum("myeye_grpc_calls_total", method="Submit", code="INVALID_ARGUMENT") == 1
        assert found.sum("myeye_grpc_call_duration_seconds_count", method="Get") == 2
        assert found.sum("myeye_grpc_call_duration_seconds_count", method="Watch") == 0


async def test_jobs_are_counted_from_their_acceptance_to_their_end(start, hand, address: str) -> None:
    async with start(metrics=address) as front:
        begun_s = time.time()
        job = await front.submit(2, priority=PRIORITY_HIGH)
        await front.submit(priority=PRIORITY_HIGH, request_id="again")
        await front.submit(priority=PRIORITY_HIGH, request_id="again")  # a replay is no other job
        found = await until(address, lambda found: found.sum("myeye_queue_items", **HIGH) == 3)
        assert found.sum("myeye_jobs_accepted_total", **HIGH) == 2
        assert found.sum("myeye_items_accepted_total", **HIGH) == 3
        assert 0 <= found.sum("myeye_queue_oldest_age_seconds", **HIGH) <= time.time() - begun_s + 1
        assert found.sum("myeye_jobs", state="QUEUED") == 2
        assert found.sum("myeye_publishes_total", to="queue", outcome="confirmed") == 3
        assert found.sum("myeye_publishes_in_flight") == 0
        assert found.sum("myeye_blob_operations_total", operation="put", outcome="ok") == 3
        async with hand.taking(Lane.HIGH) as deliveries:
            await hand.finish_next(deliveries, "cat")
            delivery = await anext(deliveries)
            await hand.fail(*await hand.start(delivery))
            await delivery.ack()
            await front.events(job.id)
            found = await until(address, lambda found: found.sum("myeye_items_finished_total") == 2)
            assert found.sum("myeye_jobs_finished_total", model=MODEL, state="PARTIALLY_SUCCEEDED") == 1
            assert found.sum("myeye_items_finished_total", state="SUCCEEDED") == 1
            assert found.sum("myeye_items_finished_total", state="FAILED") == 1
            assert found.sum("myeye_queue_items", **HIGH) == 1
        assert found.sum("myeye_jobs", state="PARTIALLY_SUCCEEDED") == 1
        assert found.sum("myeye_event_log_lag_seconds_count") > 0


async def test_what_was_before_the_start_is_known_and_not_counted_again(start, hand, address: str) -> None:
    async with start() as front, hand.taking() as deliveries:
        job = await front.submit()
        await front.submit(inputs=[Input(name="waits", content=b"waits")])
        await hand.finish_next(deliveries)
        await front.events(job.id)
    async with start(metrics=address):
        found = await until(address, lambda found: found.sum("myeye_event_log_caught_up") == 1)
        assert found.sum("myeye_jobs", state="SUCCEEDED") == 1
        assert found.sum("myeye_queue_items", model=MODEL, lane="NORMAL") == 1
        assert found.sum("myeye_queue_oldest_age_seconds", model=MODEL) > 0
        assert found.sum("myeye_jobs_finished_total") == 0
        assert found.sum("myeye_jobs_accepted_total") == 0
        assert found.sum("myeye_event_log_events_total") >= 6
        assert 0 < time.time() - found.sum("myeye_event_log_newest_event_timestamp_seconds") < LIMIT_S


async def test_a_dead_letter_is_counted(start, hand, address: str) -> None:
    async with start(metrics=address) as front, hand.taking() as deliveries:
        job = await front.submit()
        await (await anext(deliveries)).reject()
        await front.events(job.id)
        await until(address, lambda found: found.sum("myeye_dead_letters_total", reason="rejected") == 1)


async def test_refusals_are_counted_by_their_reason_and_by_nobodys_name(start, address: str) -> None:
    fair_use = FairUse(quota=read_quota("jobs=1,watches=1,rate=100,burst=8"), max_watches=0, max_uploads=0)
    async with start(metrics=address, fair_use=fair_use) as front:
        job = await front.submit()
        for _ in range(2):
            with pytest.raises(grpc.aio.AioRpcError):
                await front.submit()
        watch = front.stub.Watch(pb.WatchRequest(job_id=job.id))
        await watch.read()
        with pytest.raises(grpc.aio.AioRpcError):
            await front.stub.Watch(pb.WatchRequest(job_id=job.id)).read()
        watch.cancel()
        found = await until(address, lambda found: found.sum("myeye_quota_refusals_total") >= 3)
    assert found.sum("myeye_quota_refusals_total", reason="QUOTA_JOBS", subject="principal") == 2
    assert found.sum("myeye_quota_refusals_total", reason="TOO_MANY_WATCHES", subject="principal") == 1
    assert all(set(sample.labels) == {"reason", "subject"} for sample in found.samples["myeye_quota_refusals_total"])


async def test_calls_that_come_too_often_are_counted(start, address: str) -> None:
    fair_use = FairUse(quota=read_quota("rate=0.001,burst=1"), max_watches=0, max_uploads=0)
    async with start(metrics=address, fair_use=fair_use) as front:
        await front.stub.GetCapabilities(pb.GetCapabilitiesRequest())
        with pytest.raises(grpc.aio.AioRpcError):
            await front.stub.GetCapabilities(pb.GetCapabilitiesRequest())
        found = await until(address, lambda found: True)
    assert found.sum("myeye_quota_refusals_total", reason="RATE_LIMITED", subject="principal") == 1
