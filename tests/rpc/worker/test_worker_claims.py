"""Whose item is it? Tasks are delivered twice, late, and to workers that die; the log decides, and one outcome counts."""

from __future__ import annotations

import asyncio
from typing import Any

from dispatch.events import Failed, Started, Succeeded
from dispatch.lifecycle import ItemRetrying, State
from dispatch.ports import Delivery, Queue
from dispatch.v1.task_pb2 import Task
from myeye.v1.detection_pb2 import DetectionResult
from myeye.v1.job_pb2 import Timings
from worker.run import run


class Unsettled:
    """A delivery whose holder dies before it can settle it."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self.reached = asyncio.Event()

    @property
    def body(self) -> bytes:
        return self._delivery.body

    @property
    def queue(self) -> Queue | None:
        return self._delivery.queue

    @property
    def redelivered(self) -> bool:
        return self._delivery.redelivered

    @property
    def reason(self) -> str:
        return self._delivery.reason

    async def ack(self) -> None:
        self.reached.set()
        await asyncio.Event().wait()

    reject = release = ack


async def lose(running: asyncio.Task[None]) -> None:
    """End a run as a crash would: nothing is settled."""
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def start_and_lose(site: Any, pool: Any) -> None:
    """Have a first worker take the only task, begin, and be lost."""
    async with site.desk(pool) as desk, site.delivery() as delivery:
        running = asyncio.create_task(run(desk, delivery))
        await pool.began.acquire()
        await lose(running)


async def dead_letter(site: Any) -> Delivery:
    async with asyncio.timeout(20), site.broker.tasks.dead_letters(prefetch=1) as letters:
        letter: Delivery = await anext(aiter(letters))
        await letter.ack()
        return letter


async def test_a_task_ends_as_a_result_in_the_log(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    task.options.max_results = 7
    task.options.category_denylist.append("dog")
    await site.publish(task)
    pool = pool_of()
    async with site.worker(pool, name="w1"):
        job = await site.ended(task.job_id)
    item = job.items[0]
    assert (item.state, item.attempt, item.worker) == (State.SUCCEEDED, 1, "w1")
    result = DetectionResult.FromString(item.result)
    assert (result.width_px, result.detections[0].category, result.detections[0].bounding_box.x_px) == (640, "cat", 1)
    assert not result.annotated
    timings = Timings.FromString(item.timings)
    assert timings.total.ToNanoseconds() > 0
    assert timings.detect.ToMilliseconds() == 50
    assert not timings.HasField("annotate")
    request = pool.requests[0]
    assert (request.picture, request.max_results, request.category_denylist) == (b"a picture", 7, ("dog",))
    assert request.score_threshold is None
    assert await site.depths() == [0, 0, 0]


async def test_of_two_tasks_for_one_item_one_runs(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    await site.publish(task)
    task.id = "the same again"
    await site.publish(task)
    gate = asyncio.Event()
    pool = pool_of(gate)
    async with site.worker(pool):
        await site.until(lambda: len(site.told(Started, task.job_id)) == 2)
        gate.set()
        await site.ended(task.job_id)
    assert [change.ignored for change in site.told(Started, task.job_id)] == ["", "the item runs under another task"]
    assert len(pool.requests) == 1
    assert await site.depths() == [0, 0, 0]


async def test_a_lost_workers_task_is_taken_over_as_the_next_attempt(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    await site.publish(task)
    await start_and_lose(site, pool_of(asyncio.Event()))
    async with site.worker(pool_of(), name="w1"):
        job = await site.ended(task.job_id)
    assert (job.state, job.items[0].attempt, job.items[0].worker) == (State.SUCCEEDED, 2, "w1")
    assert [entry.failure.reason for entry in job.history if isinstance(entry, ItemRetrying)] == ["WORKER_LOST"]


async def test_an_item_whose_every_attempt_was_lost_fails_and_leaves_a_dead_letter(site: Any, pool_of: Any) -> None:
    task = await site.accept(max_attempts=1)
    await site.publish(task)
    await start_and_lose(site, pool_of(asyncio.Event()))
    pool = pool_of()
    async with site.worker(pool):
        job = await site.ended(task.job_id)
        letter = await dead_letter(site)
    assert job.items[0].failure is not None
    assert (job.state, job.items[0].failure.reason) == (State.FAILED, "WORKER_LOST")
    assert letter.body == task.SerializeToString()
    assert pool.requests == []


async def test_a_worker_lost_between_result_and_ack_leaves_one_result(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    await site.publish(task)
    async with site.desk(pool_of()) as desk, site.delivery() as delivery:
        unsettled = Unsettled(delivery)
        running = asyncio.create_task(run(desk, unsettled))
        async with asyncio.timeout(20):
            await unsettled.reached.wait()
        await site.ended(task.job_id)
        await lose(running)
    pool = pool_of()
    async with site.worker(pool):
        await site.until(lambda: len(site.told(Started, task.job_id)) == 2)
    assert len(site.told(Succeeded, task.job_id)) == 1
    assert pool.requests == []
    assert await site.depths() == [0, 0, 0]


async def test_the_result_is_in_the_log_before_the_task_is_acked(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    await site.publish(task)
    async with site.desk(pool_of()) as desk, site.delivery() as delivery:
        unsettled = Unsettled(delivery)
        running = asyncio.create_task(run(desk, unsettled))
        async with asyncio.timeout(20):
            await unsettled.reached.wait()
        await site.journal.barrier()
        assert site.journal.fold.jobs[task.job_id].state is State.SUCCEEDED
        await lose(running)


async def test_a_job_cancelled_before_its_task_comes_is_not_begun(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    await site.cancel(task.job_id)
    await site.publish(task)
    pool = pool_of()
    async with site.worker(pool):
        await site.until(lambda: site.told(Started, task.job_id))
    assert pool.requests == []
    assert await site.depths() == [0, 0, 0]


async def test_a_job_cancelled_while_it_runs_is_stopped_and_the_worker_goes_on(site: Any, pool_of: Any) -> None:
    first, second = await site.accept(), await site.accept()
    pool = pool_of(asyncio.Event())
    async with site.worker(pool):
        await site.publish(first)
        async with asyncio.timeout(20):
            await pool.began.acquire()
        await site.cancel(first.job_id)
        async with asyncio.timeout(20):
            await pool.stopped.acquire()
        await site.publish(second)
        assert (await site.ended(second.job_id)).state is State.SUCCEEDED
    assert (await site.ended(first.job_id)).state is State.CANCELLED
    assert site.told(Succeeded, first.job_id) == site.told(Failed, first.job_id) == []
    assert await site.depths() == [0, 0, 0]


async def test_a_run_that_was_taken_over_is_stopped(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    await site.publish(task)
    frozen = pool_of(asyncio.Event())
    async with site.desk(frozen) as desk, site.delivery() as delivery:
        running = asyncio.create_task(run(desk, Unsettled(delivery)))
        async with asyncio.timeout(20):
            await frozen.began.acquire()
        await delivery.release()  # as the broker does when it believes the holder dead
        async with site.worker(pool_of()):
            job = await site.ended(task.job_id)
            async with asyncio.timeout(20):
                await frozen.stopped.acquire()
        await lose(running)
    assert job.items[0].worker == "w1"
    assert len(site.told(Succeeded, task.job_id)) == 1


async def test_a_task_that_is_none_becomes_a_dead_letter_and_the_next_is_run(site: Any, pool_of: Any) -> None:
    await site.publish(Task(id="of no job"))
    task = await site.accept()
    await site.publish(task)
    async with site.worker(pool_of()):
        assert (await site.ended(task.job_id)).state is State.SUCCEEDED
        letter = await dead_letter(site)
    assert letter.reason == "rejected"


async def test_a_task_of_a_job_older_than_the_log_read_is_run(site: Any, pool_of: Any) -> None:
    task = await site.accept(unlogged=True)
    task.attempt = 2
    await site.publish(task)
    pool = pool_of()
    async with site.worker(pool):
        succeeded = await site.until(lambda: site.told(Succeeded, task.job_id))
    assert succeeded[0].ignored == "no such job"
    assert len(pool.requests) == 1
    assert await site.depths() == [0, 0, 0]
