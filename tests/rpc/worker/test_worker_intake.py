"""The most urgent first, so many at once, and after the signal to stop nothing new; what has not begun goes to others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from dispatch.events import Started
from dispatch.lifecycle import State
from dispatch.ports import Consumer, Delivery, Lane, Queue
from worker.consume import Intake, queues_of


class Counted:
    """A consumer that tells how many deliveries it has handed on."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.handed = asyncio.Semaphore(0)

    async def __aiter__(self) -> AsyncIterator[Delivery]:
        async for delivery in self._consumer:
            yield delivery
            self.handed.release()

    async def stop(self) -> None:
        await self._consumer.stop()


class Runs:
    """Runs that last until they are let go, and then ack."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.began = asyncio.Semaphore(0)
        self.may_end = asyncio.Semaphore(0)
        self.ended = asyncio.Semaphore(0)

    async def __call__(self, delivery: Delivery) -> None:
        self.bodies.append(delivery.body)
        self.began.release()
        await self.may_end.acquire()
        await delivery.ack()
        self.ended.release()


async def times(semaphore: asyncio.Semaphore, number: int) -> None:
    async with asyncio.timeout(20):
        for _ in range(number):
            await semaphore.acquire()


async def publish(site: Any, lane: Lane, *bodies: bytes) -> None:
    for body in bodies:
        await site.broker.tasks.publish(Queue("toy", lane), body)


async def test_the_most_urgent_lane_is_taken_first_then_the_order_of_arrival(site: Any) -> None:
    runs, stop = Runs(), asyncio.Event()
    async with site.broker.tasks.consume(queues_of("toy"), prefetch=5) as consumer:
        counted = Counted(consumer)
        working = asyncio.create_task(Intake(runs, slots=1, drain_s=20).work(counted, stop))
        await publish(site, Lane.LOW, b"first")
        await times(counted.handed, 1)
        for lane, bodies in ((Lane.LOW, (b"low 1", b"low 2")), (Lane.NORMAL, (b"normal",)), (Lane.HIGH, (b"high 1", b"high 2"))):
            await publish(site, lane, *bodies)
        await times(counted.handed, 5)
        for _ in range(6):
            runs.may_end.release()
        await times(runs.began, 6)
        stop.set()
        await working
    assert runs.bodies == [b"first", b"high 1", b"high 2", b"normal", b"low 1", b"low 2"]


async def test_no_more_run_at_once_than_there_are_slots(site: Any) -> None:
    runs, stop = Runs(), asyncio.Event()
    async with site.broker.tasks.consume(queues_of("toy"), prefetch=4) as consumer:
        counted = Counted(consumer)
        working = asyncio.create_task(Intake(runs, slots=2, drain_s=20).work(counted, stop))
        await publish(site, Lane.NORMAL, b"1", b"2", b"3")
        await times(counted.handed, 3)
        await times(runs.began, 2)
        assert len(runs.bodies) == 2
        runs.may_end.release()
        await times(runs.began, 1)
        assert len(runs.bodies) == 3
        runs.may_end.release()
        runs.may_end.release()
        stop.set()
        await working


async def test_stopping_hands_back_what_has_not_begun_and_finishes_the_rest(site: Any) -> None:
    runs, stop = Runs(), asyncio.Event()
    async with site.broker.tasks.consume(queues_of("toy"), prefetch=4) as consumer:
        counted = Counted(consumer)
        working = asyncio.create_task(Intake(runs, slots=1, drain_s=20).work(counted, stop))
        await publish(site, Lane.NORMAL, b"1", b"2", b"3")
        await times(counted.handed, 3)
        await times(runs.began, 1)
        stop.set()
        async with site.broker.tasks.consume(queues_of("toy"), prefetch=4) as other:
            async with asyncio.timeout(20):
                deliveries = aiter(other)
                back = [await anext(deliveries), await anext(deliveries)]
            assert sorted(delivery.body for delivery in back) == [b"2", b"3"]
            assert not working.done()
            runs.may_end.release()
            await working
            for delivery in back:
                await delivery.ack()
    assert runs.bodies == [b"1"]
    assert await site.depths() == [0, 0, 0]


async def test_nothing_begins_while_the_consumer_is_being_stopped(site: Any) -> None:
    runs, stop = Runs(), asyncio.Event()

    class Slow(Counted):
        async def stop(self) -> None:
            runs.may_end.release()
            await times(runs.ended, 1)
            await super().stop()

    async with site.broker.tasks.consume(queues_of("toy"), prefetch=4) as consumer:
        slow = Slow(consumer)
        working = asyncio.create_task(Intake(runs, slots=1, drain_s=20).work(slow, stop))
        await publish(site, Lane.NORMAL, b"1", b"2")
        await times(slow.handed, 2)
        stop.set()
        async with asyncio.timeout(20):
            await working
    assert runs.bodies == [b"1"]


async def test_what_runs_longer_than_the_drain_is_handed_back(site: Any) -> None:
    runs, stop = Runs(), asyncio.Event()
    async with site.broker.tasks.consume(queues_of("toy"), prefetch=4) as consumer:
        working = asyncio.create_task(Intake(runs, slots=1, drain_s=0.05).work(consumer, stop))
        await publish(site, Lane.NORMAL, b"endless")
        await times(runs.began, 1)
        stop.set()
        async with asyncio.timeout(20):
            await working
        async with site.delivery() as delivery:
            assert delivery.body == b"endless"


async def test_a_task_that_breaks_its_run_becomes_a_dead_letter_and_the_next_is_run(site: Any) -> None:
    bodies: list[bytes] = []

    async def run(delivery: Delivery) -> None:
        bodies.append(delivery.body)
        if delivery.body == b"poison":
            raise RuntimeError("a fault of ours")
        await delivery.ack()
        stop.set()

    stop = asyncio.Event()
    async with site.broker.tasks.consume(queues_of("toy"), prefetch=4) as consumer:
        await publish(site, Lane.NORMAL, b"poison", b"good")
        async with asyncio.timeout(20):
            await Intake(run, slots=1, drain_s=20).work(consumer, stop)
            async with site.broker.tasks.dead_letters(prefetch=1) as letters:
                letter = await anext(aiter(letters))
    assert bodies == [b"poison", b"good"]
    assert letter.body == b"poison"


async def test_a_stopped_worker_leaves_the_rest_to_another(site: Any, pool_of: Any) -> None:
    tasks = [await site.accept() for _ in range(4)]
    for task in tasks:
        await site.publish(task)
    gate = asyncio.Event()
    first = pool_of(gate, gate)
    async with site.worker(first, name="w1") as stop:
        await times(first.began, 2)  # both of its slots
        stop.set()
        async with site.worker(pool_of(), name="w2"):
            await site.until(lambda: sum(job.state.terminal for job in site.journal.fold.jobs.values()) == 2 or None)
            gate.set()
            jobs = [await site.ended(task.job_id) for task in tasks]
    assert {job.state for job in jobs} == {State.SUCCEEDED}
    assert sorted(job.items[0].worker for job in jobs) == ["w1", "w1", "w2", "w2"]
    assert all(len(site.told(Started, task.job_id)) == 1 for task in tasks)
