"""On every broker: one who hands in very much keeps nobody else waiting, and is not starved either."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from dispatch.blobs import open_blobs
from dispatch.codec import spec_of
from dispatch.events import Accepted
from dispatch.journal import new_event_id
from dispatch.ports import Broker, Consumer, Delivery, Kind, Lane
from dispatch.shares import LIMITS
from dispatch.task import read_task
from dispatch.v1.event_pb2 import JobSpec, StoredInput
from gateway.ids import job_id
from gateway.ledger import Ledger
from gateway.limits import Defaults, Limits
from gateway.quotas import Quotas
from gateway.store import Store
from gateway.submit import Submitter
from gateway.upload_tally import UploadTally
from gateway.uploads import Uploads
from worker.consume import Intake, queues_of

MODEL = "m"
SLOTS = 4
ITEMS = 100
LIMIT_S = 60.0


class Gateway:
    """What a gateway does once the pictures are stored."""

    def __init__(self, broker: Broker, folder: str) -> None:
        limits, blobs = Limits(), open_blobs(f"file://{folder}")
        self.store = Store(broker.log)
        ledger = Ledger(self.store, Quotas(), UploadTally(blobs))
        self.submitter = Submitter(
            self.store, broker.tasks, blobs, Uploads(blobs, limits), ledger, limits=limits, defaults=Defaults(model=MODEL)
        )

    async def submit(self, principal: str, items: int) -> str:
        spec = JobSpec(principal=principal, inputs=[StoredInput()] * items, model=MODEL, priority=Lane.NORMAL, max_attempts=1)
        event = Accepted(
            id=new_event_id(),
            job_id=job_id(principal, "", ""),
            time_ns=time.time_ns(),
            spec=spec_of(spec.SerializeToString()),
            digest=b"",
        )
        change = await self.store.journal.commit(event)
        assert change.after is not None
        await self.submitter.enqueue(change.after)
        return event.job_id


class Workers:
    """Several workers, each with an intake and a connection to the broker of its own; nothing ends before it is let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.began = asyncio.Condition()
        self._may_end = asyncio.Semaphore(0)
        self._arrived: set[str] = set()
        self._news = asyncio.Condition()

    @asynccontextmanager
    async def working(self, brokers: Sequence[Broker]) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            for broker in brokers:
                consumer = await stack.enter_async_context(broker.tasks.consume(queues_of(MODEL), prefetch=SLOTS))
                group.create_task(Intake(self._run, slots=SLOTS, drain_s=0).work(_Noting(consumer, self), stop))
            yield
            stop.set()

    async def serve(self, count: int) -> None:
        """Let so many runs end, and return when as many others have begun."""
        goal = len(self.begun) + count
        for _ in range(count):
            self._may_end.release()
        async with asyncio.timeout(LIMIT_S), self.began:
            await self.began.wait_for(lambda: len(self.begun) >= goal)

    async def filled(self, count: int) -> None:
        async with asyncio.timeout(LIMIT_S), self.began:
            await self.began.wait_for(lambda: len(self.begun) == count)

    async def has(self, job: str) -> None:
        """Return when a worker holds a task of the job."""
        async with asyncio.timeout(LIMIT_S), self._news:
            await self._news.wait_for(lambda: job in self._arrived)

    async def note(self, delivery: Delivery) -> None:
        async with self._news:
            self._arrived.add(read_task(delivery.body).job_id)
            self._news.notify_all()

    async def _run(self, delivery: Delivery) -> None:
        async with self.began:
            self.begun.append(read_task(delivery.body).job_id)
            self.began.notify_all()
        await self._may_end.acquire()
        await delivery.ack()


class _Noting:
    def __init__(self, consumer: Consumer, workers: Workers) -> None:
        self._consumer = consumer
        self._workers = workers

    async def __aiter__(self) -> AsyncIterator[Delivery]:
        async for delivery in self._consumer:
            yield delivery
            await self._workers.note(delivery)

    async def stop(self) -> None:
        await self._consumer.stop()


@pytest.fixture
async def gateway(broker: Broker, tmp_path: object) -> AsyncIterator[Gateway]:
    gateway = Gateway(broker, f"{tmp_path}/blobs")
    following = asyncio.ensure_future(gateway.store.journal.follow())
    await gateway.store.journal.barrier()
    yield gateway
    following.cancel()
    await asyncio.wait({following})


async def test_a_picture_does_not_wait_for_the_two_thousand_of_another(
    broker: Broker, another_broker: Broker, gateway: Gateway
) -> None:
    bulk = {await gateway.submit("bulk", ITEMS) for _ in range(20)}
    workers = Workers()
    async with workers.working((broker, another_broker)):
        await workers.filled(2 * SLOTS)
        await workers.serve(100)
        job = await gateway.submit("one picture", 1)
        await workers.has(job)
        before = len(workers.begun)
        while job not in workers.begun:
            await workers.serve(1)
    assert set(workers.begun[:before]) <= bulk
    assert workers.begun.index(job) - before <= 2 * SLOTS


async def test_one_with_much_goes_on_however_many_others_come_with_little(broker: Broker, gateway: Gateway) -> None:
    ahead = LIMITS[Kind.PICTURE][0]
    bulk = await gateway.submit("bulk", ITEMS)
    workers = Workers()
    async with workers.working((broker,)):
        await workers.filled(SLOTS)
        await workers.serve(ahead)
        jobs = [await gateway.submit(f"guest {number}", 1) for number in range(40)]
        begun = len(workers.begun)
        for _ in jobs:
            await workers.serve(1)
        later = workers.begun[begun:]
    assert later.count(bulk) >= len(later) // 5


async def test_the_tasks_of_a_lone_principal_stay_nearly_in_order(broker: Broker, gateway: Gateway) -> None:
    first, second, third = [await gateway.submit("", ITEMS) for _ in range(3)]
    workers = Workers()
    async with workers.working((broker,)):
        await workers.filled(SLOTS)
        await workers.serve(3 * ITEMS - SLOTS)
    ends = {job: len(workers.begun) - workers.begun[::-1].index(job) for job in (first, second, third)}
    assert ends[first] < ends[second]
    assert ends[first] <= 1.5 * ITEMS
