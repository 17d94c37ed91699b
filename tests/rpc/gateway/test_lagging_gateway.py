"""A gateway that reads the log late is asked about what another gateway has told already."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from dispatch.blobs import open_blobs
from dispatch.connect import connect
from gateway import server
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.blob_service_pb2 import DownloadAnnotatedRequest
from myeye.v1.job_pb2 import STATE_SUCCEEDED

LIMIT_S = 20.0


class LateLog:
    """The log, whose reader hears nothing while it is `late`, until something is appended here."""

    def __init__(self, log) -> None:
        self._log = log
        self.oldest = log.oldest
        self._on_time = asyncio.Event()
        self._on_time.set()

    def be_late(self) -> None:
        self._on_time.clear()

    async def append(self, body):
        self._on_time.set()
        await self._log.append(body)

    async def read(self, *, lookback_s=None):
        async for batch in self._log.read(lookback_s=lookback_s):
            await self._on_time.wait()
            yield batch


@pytest.fixture
def pair(start, monkeypatch):
    """Start two gateways on one log: one that is on time, and one with its LateLog."""
    logs = []

    async def connect_late(*arguments):
        broker = await connect(*arguments)
        broker.log = LateLog(broker.log)
        logs.append(broker.log)
        return broker

    monkeypatch.setattr(server, "connect", connect_late)

    @asynccontextmanager
    async def starting():
        async with AsyncExitStack() as stack, asyncio.timeout(LIMIT_S):
            early, late = [await stack.enter_async_context(start()) for _ in range(2)]
            yield early, late, logs[1]

    return starting


async def known_to_both(early, late, **fields):
    """Make a job that both gateways know."""
    job = await early.submit(**fields)
    assert (await late.stub.Get(pb.GetRequest(job_id=job.id))).job.id == job.id
    return job


@pytest.mark.parametrize(
    "ask",
    [
        lambda front, job_id: front.stub.Retry(pb.RetryRequest(job_id=job_id)),
        lambda front, job_id: front.stub.RetryMany(pb.RetryManyRequest(job_ids=[job_id])),
        lambda front, job_id: front.stub.Delete(pb.DeleteRequest(job_id=job_id)),
    ],
    ids=["retry", "retry many", "delete"],
)
async def test_a_job_that_ended_by_another_gateways_word_has_ended_here(pair, ask):
    async with pair() as (early, late, log):
        job = await known_to_both(early, late)
        log.be_late()
        await early.stub.Cancel(pb.CancelRequest(job_id=job.id))
        answer = await ask(late, job.id)
        assert not any(outcome.HasField("error") for outcome in getattr(answer, "outcomes", []))


async def test_a_drawing_is_there_as_soon_as_any_gateway_has_told_of_it(pair, hand):
    async with pair() as (early, late, log):
        job = await known_to_both(early, late, annotate=True)
        log.be_late()
        async with hand.taking() as deliveries:
            delivery = await anext(deliveries)
            task, run = await hand.start(delivery)
            await open_blobs(early.config.blobs).put(task.annotated_blob, b"drawn")
            await hand.succeed(task, run)
            await delivery.ack()
        assert (await early.stub.Wait(pb.WaitRequest(job_id=job.id))).job.state == STATE_SUCCEEDED
        bodies = late.blob_stub.DownloadAnnotated(DownloadAnnotatedRequest(job_id=job.id, item=0))
        assert b"".join([message.body.data async for message in bodies]) == b"drawn"
