"""What a gateway tells of jobs whose beginning retention has cut from the log: nothing, rather than half of it."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest

from dispatch.connect import connect
from dispatch.errors import LogTruncated
from dispatch.events import Cancelled, Enqueued, Started, Succeeded
from dispatch.journal import new_event_id
from dispatch.options import BrokerOptions
from gateway import janitor, server
from gateway.ids import job_id
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.job_pb2 import STATE_CANCELLED

LIMIT_S = 20.0


async def test_a_job_without_its_beginning_is_not_found_and_others_are_told_whole(start, hand, refused):
    cut = job_id("", "Submit", "cut")
    common = {"job_id": cut, "time_ns": time.time_ns()}
    run = {"item": 0, "run_id": "r"}
    for event in (
        Enqueued(id=new_event_id(), **common),
        Started(id=new_event_id(), **common, **run, task_id="t", worker="w", accepted_id=b"a"),
        Succeeded(id=new_event_id(), **common, **run, result=b"", timings=b""),
        Cancelled(id=new_event_id(), **common, reason=""),
    ):
        assert (await hand.journal.commit(event)).ignored == "no such job"
    async with start() as front:
        for call in (
            front.stub.Get(pb.GetRequest(job_id=cut)),
            front.stub.Watch(pb.WatchRequest(job_id=cut, after_sequence=0)).read(),
            front.stub.Wait(pb.WaitRequest(job_id=cut)),
            front.stub.Retry(pb.RetryRequest(job_id=cut)),
        ):
            await refused(call, grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
        job = await front.submit(request_id="cut")
        assert job.id == cut, "the same call makes it anew"
        async with hand.taking() as deliveries:
            await hand.finish_next(deliveries)
        assert [event.sequence for event in await front.events(cut)] == [1, 2, 3, 4]


@pytest.fixture
def soon(monkeypatch):
    """Let the gateway do at once what is due with time."""
    monkeypatch.setattr(server, "TICK_S", 0.05)
    monkeypatch.setattr(janitor, "SPREAD_S", 0.0)
    monkeypatch.setattr(janitor, "RETENTION_EVERY_S", 0.1)
    monkeypatch.setattr(janitor, "LAST_LOOK_NS", 0)


async def drop_the_log(url: str) -> None:
    """Let the broker drop all that there is in the log now, for its age."""
    broker = await connect(url, BrokerOptions(log_max_age_s=0.0, lease_s=0.4))
    before = await broker.log.oldest()

    async def dropped() -> bool:
        return await broker.log.oldest() > before

    await until(dropped)
    await broker.close()


async def until(look):
    async with asyncio.timeout(LIMIT_S):
        while not await look():  # noqa: ASYNC110 - nobody tells when it comes true
            await asyncio.sleep(0.02)


async def listed(front):
    return [job.id for job in (await front.stub.List(pb.ListRequest())).jobs]


async def test_a_job_whose_beginning_is_dropped_under_a_running_gateway_is_removed_there_too(start, hand, refused, soon):
    async with start() as front:
        old = await front.submit()
        async with hand.taking() as deliveries:
            await hand.finish_next(deliveries)
        await front.events(old.id)
        await drop_the_log(front.config.broker)
        young = await front.submit()

        async def gone() -> bool:
            return await listed(front) == [young.id]

        await until(gone)
        await refused(front.stub.Get(pb.GetRequest(job_id=old.id)), grpc.StatusCode.NOT_FOUND, "JOB_PURGED")
        assert all(young.id in blob.name for blob in front.blobs)


async def test_a_job_that_has_not_ended_when_its_beginning_is_dropped_is_told_to_its_end_first(
    start, hand, refused, soon, caplog
):
    async with start() as front:
        job = await front.submit()
        async with hand.taking() as deliveries:
            delivery = await anext(deliveries)
            task, run = await hand.start(delivery)
            await drop_the_log(front.config.broker)
            watching = asyncio.create_task(front.events(job.id))

            async def noticed() -> bool:
                return f"the beginning of job {job.id}, which has not ended" in caplog.text

            await until(noticed)
            await hand.succeed(task, run)
            await delivery.ack()
        assert [event.sequence for event in await watching] == [1, 2, 3, 4]

        async def gone() -> bool:
            return not await listed(front)

        await until(gone)
        await refused(front.stub.Get(pb.GetRequest(job_id=job.id)), grpc.StatusCode.NOT_FOUND, "JOB_PURGED")


class CutLog:
    """The log, whose reader is told when it has read on after `cut` that it must begin anew, and then waits for `go_on`."""

    def __init__(self, log) -> None:
        self._log = log
        self.append, self.oldest = log.append, log.oldest
        self.cut = False
        self.cutting = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def read(self, *, lookback_s=None):
        await self.go_on.wait()
        async for batch in self._log.read(lookback_s=lookback_s):
            if self.cut:
                self.cut = False
                self.go_on.clear()
                self.cutting.set()
                raise LogTruncated("cut")
            yield batch


@pytest.fixture
def logs(monkeypatch):
    """Give gateways a CutLog each, and name these."""
    made = []

    async def connect_to_a_log_that_is_cut(*arguments):
        broker = await connect(*arguments)
        broker.log = CutLog(broker.log)
        made.append(broker.log)
        return broker

    monkeypatch.setattr(server, "connect", connect_to_a_log_that_is_cut)
    return made


@pytest.mark.parametrize("ask", ["wait", "watch", "watch many"])
async def test_who_waits_while_the_log_is_read_anew_is_told_to_come_again_and_not_that_the_job_is_gone(
    start, hand, refused, logs, ask
):
    async with start() as front, asyncio.timeout(LIMIT_S):
        job = await front.submit()
        call = {
            "wait": lambda: front.stub.Wait(pb.WaitRequest(job_id=job.id)),
            "watch": lambda: front.stub.Watch(pb.WatchRequest(job_id=job.id)),
            "watch many": lambda: front.stub.WatchMany(pb.WatchManyRequest(targets=[pb.WatchTarget(job_id=job.id)])),
        }[ask]()
        asking = asyncio.ensure_future(last_of(call))
        assert (await front.stub.Get(pb.GetRequest(job_id=job.id))).job.id == job.id  # what was asked before is heard by now
        (log,) = logs
        log.cut = True
        await hand.journal.barrier()
        await refused(asking, grpc.StatusCode.UNAVAILABLE, "STARTING")
        log.go_on.set()

        async def found() -> bool:
            try:
                return (await front.stub.Get(pb.GetRequest(job_id=job.id))).job.id == job.id
            except grpc.aio.AioRpcError as error:
                return error.code() is not grpc.StatusCode.UNAVAILABLE

        await until(found)
        assert await found()


WANTED = {"ids": lambda old: {"job_ids": [old]}, "filter": lambda _: {"filter": {"states": [STATE_CANCELLED]}}}


async def cancelled(front):
    job = await front.submit()
    await front.stub.Cancel(pb.CancelRequest(job_id=job.id))
    return job.id


async def serving(front, job_id):
    """Return when the log is read."""

    async def found() -> bool:
        return await front.stub.Get(pb.GetRequest(job_id=job_id)).code() is grpc.StatusCode.OK

    await until(found)


@pytest.mark.parametrize("by", WANTED)
async def test_retry_many_under_whose_hands_the_log_is_read_anew_waits_and_leaves_out_no_job(start, logs, by):
    async with start() as front, asyncio.timeout(LIMIT_S):
        old = await cancelled(front)
        (log,) = logs
        log.cut = True
        asking = asyncio.ensure_future(front.stub.RetryMany(pb.RetryManyRequest(request_id="r", **WANTED[by](old))))
        await log.cutting.wait()  # over its own question of how far the log goes
        assert not asking.done()
        log.go_on.set()
        (outcome,) = (await asking).outcomes
        assert (outcome.job_id, outcome.HasField("error")) == (old, False)
        await serving(front, old)
        job = (await front.stub.Get(pb.GetRequest(job_id=outcome.new_job_id))).job
        assert job.retry_of == old


@pytest.mark.parametrize("by", WANTED)
async def test_retry_many_while_the_log_is_read_anew_is_told_to_come_again_and_does_its_work_then(start, hand, refused, logs, by):
    async with start() as front, asyncio.timeout(LIMIT_S):
        old = await cancelled(front)
        (log,) = logs
        log.cut = True
        await hand.journal.barrier()
        await log.cutting.wait()
        request = pb.RetryManyRequest(request_id="r", **WANTED[by](old))
        await refused(front.stub.RetryMany(request), grpc.StatusCode.UNAVAILABLE, "STARTING")
        log.go_on.set()
        await serving(front, old)
        (first,) = (await front.stub.RetryMany(request)).outcomes
        (again,) = (await front.stub.RetryMany(request)).outcomes
        assert (first.job_id, first.replayed) == (old, False)
        assert (again.new_job_id, again.replayed) == (first.new_job_id, True)
        assert sorted(job.retry_of for job in (await front.stub.List(pb.ListRequest())).jobs) == ["", old]


async def last_of(call):
    """Await an answer, or all of them."""
    if isinstance(call, grpc.aio.UnaryUnaryCall):
        return await call
    return [message async for message in call]
