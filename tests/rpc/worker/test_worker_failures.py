"""What fails for good ends at once; what another attempt may heal comes back later; what never heals becomes a dead letter."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from dispatch.backoff import Backoff
from dispatch.codec import duration, timestamp
from dispatch.errors import BlobUnavailable
from dispatch.events import Expired, Failed, Started, Succeeded
from dispatch.lifecycle import ItemRetrying, State
from dispatch.options import MAX_PICTURE_BYTES
from dispatch.ports import BlobStore, Delivery, Lane, Queue
from dispatch.v1.task_pb2 import Task
from myeye.v1.detection_pb2 import DetectionResult
from tests.torture.disk import Disk, Trouble
from worker.detection import DetectorFailed, PictureRejected
from worker.run import run

CRASH = DetectorFailed("DETECTOR_CRASHED", "the detector ended")


async def dead_letter(site: Any) -> Delivery:
    async with asyncio.timeout(20), site.broker.tasks.dead_letters(prefetch=1) as letters:
        letter: Delivery = await anext(aiter(letters))
        await letter.ack()
        return letter


@pytest.mark.parametrize(("beyond", "state"), [(0, State.SUCCEEDED), (1, State.FAILED)])
async def test_a_picture_that_is_too_large_is_refused_before_it_is_read(
    site: Any, pool_of: Any, beyond: int, state: State
) -> None:
    task = await site.accept(picture=None if beyond else b"a picture")
    task.input_size_bytes = MAX_PICTURE_BYTES + beyond
    await site.publish(task)
    async with site.worker(pool_of()):
        job = await site.ended(task.job_id)
    assert (job.state, job.items[0].attempt) == (state, 1)
    assert not beyond or job.items[0].failure.reason == "IMAGE_TOO_LARGE"


async def test_a_detector_that_fails_once_is_tried_again_after_a_delay(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    await site.publish(task, Lane.HIGH)
    pool = pool_of(CRASH)
    async with site.worker(pool):
        job = await site.ended(task.job_id)
    assert (job.state, job.items[0].attempt) == (State.SUCCEEDED, 2)
    retrying = next(entry for entry in job.history if isinstance(entry, ItemRetrying))
    assert (retrying.attempt, retrying.failure.reason) == (1, "DETECTOR_CRASHED")
    assert retrying.next_attempt_ns is not None
    again = site.told(Started, task.job_id)[1].event
    assert again.task_id != task.id
    assert again.time_ns >= retrying.next_attempt_ns
    assert await site.depths() == [0, 0, 0]


async def test_attempts_used_up_fail_the_item_with_the_last_error_and_leave_a_dead_letter(site: Any, pool_of: Any) -> None:
    task = await site.accept(max_attempts=2)
    await site.publish(task)
    async with site.worker(pool_of(RuntimeError("secret"), CRASH)):
        job = await site.ended(task.job_id)
        letter = Task.FromString((await dead_letter(site)).body)
    assert job.items[0].failure is not None
    assert (job.state, job.items[0].failure.reason, job.items[0].attempt) == (State.FAILED, "DETECTOR_CRASHED", 2)
    assert (letter.job_id, letter.attempt) == (task.job_id, 2)


async def test_an_unexpected_error_is_told_in_fixed_words_and_tried_again(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    await site.publish(task)
    async with site.worker(pool_of(RuntimeError("secret"))):
        job = await site.ended(task.job_id)
    retrying = next(entry for entry in job.history if isinstance(entry, ItemRetrying))
    assert retrying.failure.reason == "INTERNAL"
    assert "secret" not in retrying.failure.message
    assert job.state is State.SUCCEEDED


async def test_a_rejected_picture_fails_at_once(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    await site.publish(task)
    pool = pool_of(PictureRejected("IMAGE_INVALID", "not a picture"))
    async with site.worker(pool):
        job = await site.ended(task.job_id)
    assert job.items[0].failure is not None
    assert (job.state, job.items[0].failure.reason, len(pool.requests)) == (State.FAILED, "IMAGE_INVALID", 1)
    assert await site.depths() == [0, 0, 0]


async def test_a_missing_picture_fails_at_once(site: Any, pool_of: Any) -> None:
    task = await site.accept(picture=None)
    await site.publish(task)
    pool = pool_of()
    async with site.worker(pool):
        job = await site.ended(task.job_id)
    assert job.items[0].failure is not None
    assert (job.items[0].failure.reason, pool.requests) == ("INPUT_MISSING", [])


async def test_an_attempt_beyond_its_time_limit_is_stopped_and_tried_again(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    task.execution_timeout.CopyFrom(duration(10**8))
    await site.publish(task)
    pool = pool_of(asyncio.Event())
    async with site.worker(pool):
        await site.until(lambda: site.told(Failed, task.job_id))
        async with asyncio.timeout(20):
            await pool.stopped.acquire()
        job = await site.ended(task.job_id)
    retrying = next(entry for entry in job.history if isinstance(entry, ItemRetrying))
    assert retrying.failure.reason == "EXECUTION_TIMEOUT"


async def test_a_job_cancelled_between_attempts_is_not_begun_again(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    await site.publish(task)
    pool = pool_of(CRASH)
    async with site.desk(pool) as desk, site.delivery() as delivery:
        await run(desk, delivery)
    await site.cancel(task.job_id)
    async with site.worker(pool):
        await site.until(lambda: len(site.told(Started, task.job_id)) == 2)
    assert len(pool.requests) == 1


async def test_when_the_queue_is_full_the_task_itself_comes_back(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    await site.publish(task)
    at_once = Backoff(base_s=1e-9, cap_s=1e-9)  # the embedded broker has room for every delayed task
    async with site.desk(pool_of(CRASH), backoff=at_once) as desk, site.delivery() as delivery:
        for _ in range(site.options.max_queue_length):
            await site.broker.tasks.publish(Queue("toy", Lane.NORMAL), b"filling")
        await run(desk, delivery)
    async with site.worker(pool_of()):
        job = await site.ended(task.job_id)
    assert (job.state, job.items[0].attempt) == (State.SUCCEEDED, 2)
    assert [change.event.task_id for change in site.told(Started, task.job_id)] == [task.id, task.id]


async def test_a_job_older_than_the_log_read_has_the_attempts_that_its_task_tells(site: Any, pool_of: Any) -> None:
    task = await site.accept(unlogged=True)
    task.max_attempts = 3
    await site.publish(task)
    pool = pool_of(CRASH, CRASH, CRASH)
    async with site.worker(pool):
        await site.until(lambda: len(site.told(Failed, task.job_id)) == 3)
        letter = Task.FromString((await dead_letter(site)).body)
    assert [change.event.retryable for change in site.told(Failed, task.job_id)] == [True, True, False]
    assert letter.attempt == 3


async def test_a_task_past_its_start_deadline_expires_its_job(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    task.start_deadline_time.CopyFrom(timestamp(time.time_ns() - 1))
    await site.publish(task)
    pool = pool_of()
    async with site.worker(pool):
        job = await site.ended(task.job_id)
    assert (job.state, pool.requests) == (State.EXPIRED, [])
    assert await site.depths() == [0, 0, 0]


async def test_a_task_that_was_begun_and_handed_back_does_not_expire(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    await site.publish(task)
    gone = pool_of(asyncio.Event())
    async with site.desk(gone) as desk, site.delivery() as delivery:
        running = asyncio.create_task(run(desk, delivery))
        async with asyncio.timeout(20):
            await gone.began.acquire()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await delivery.ack()
    task.start_deadline_time.CopyFrom(timestamp(time.time_ns() - 1))
    await site.publish(task)
    async with site.worker(pool_of()):
        job = await site.ended(task.job_id)
    assert (job.state, job.items[0].attempt) == (State.SUCCEEDED, 2)


async def test_a_later_attempt_has_no_start_deadline(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    task.attempt = 2
    task.start_deadline_time.CopyFrom(timestamp(time.time_ns() - 1))
    await site.publish(task)
    async with site.worker(pool_of()):
        job = await site.ended(task.job_id)
    assert job.state is State.SUCCEEDED
    assert site.told(Expired, task.job_id) == []


class Gated:
    """A blob store whose writes wait for a gate, or fail."""

    def __init__(self, blobs: BlobStore, error: Exception | None = None) -> None:
        self._blobs = blobs
        self._error = error
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def get(self, name: str) -> bytes:
        return await self._blobs.get(name)

    async def put(self, name: str, data: bytes) -> None:
        self.asked.set()
        await self.gate.wait()
        if self._error:
            raise self._error
        await self._blobs.put(name, data)


async def test_the_annotated_picture_is_stored_before_the_result_is_told(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    task.annotated_blob = f"jobs/{task.job_id}/0/annotated"
    await site.publish(task)
    blobs = Gated(site.blobs)
    async with site.desk(pool_of(), blobs=blobs) as desk, site.delivery() as delivery:
        running = asyncio.create_task(run(desk, delivery))
        async with asyncio.timeout(20):
            await blobs.asked.wait()
        await site.journal.barrier()
        assert site.told(Succeeded, task.job_id) == []
        blobs.gate.set()
        await running
    job = await site.ended(task.job_id)
    assert DetectionResult.FromString(job.items[0].result).annotated
    assert await site.blobs.get(task.annotated_blob) == b"drawn"


async def test_an_annotated_picture_that_cannot_be_stored_is_no_success(site: Any, pool_of: Any) -> None:
    task = await site.accept(max_attempts=1)
    task.annotated_blob = f"jobs/{task.job_id}/0/annotated"
    await site.publish(task)
    blobs = Gated(site.blobs, BlobUnavailable("disk full"))
    blobs.gate.set()
    async with site.desk(pool_of(), blobs=blobs) as desk, site.delivery() as delivery:
        await run(desk, delivery)
    job = await site.ended(task.job_id)
    assert job.items[0].failure is not None
    assert (job.state, job.items[0].failure.reason) == (State.FAILED, "BLOB_UNAVAILABLE")


@pytest.mark.parametrize("trouble", [Trouble.FULL, Trouble.READ_ONLY])
async def test_an_annotated_picture_that_finds_no_room_is_drawn_again_when_there_is(
    site: Any, pool_of: Any, trouble: Trouble
) -> None:
    task = await site.accept(annotate=True, max_attempts=10)
    await site.publish(task)
    troubled = True
    with Disk(site.folder / "blobs", lambda file: trouble if troubled and "annotated" in file.name else Trouble.NONE).mounted():
        async with site.worker(pool_of()):
            failed = (await site.until(lambda: site.told(Failed, task.job_id)))[0].event
            troubled = False
            assert (failed.failure.reason, failed.retryable) == ("BLOB_UNAVAILABLE", True)
            job = await site.ended(task.job_id)
    assert job.state is State.SUCCEEDED
    assert await site.blobs.get(task.annotated_blob) == b"drawn"
    assert len([path for path in (site.folder / "blobs").rglob("*") if path.is_file()]) == 2


@pytest.mark.parametrize("body", [b"\xff\xff\xff", b""])
async def test_what_is_no_task_is_rejected(site: Any, pool_of: Any, body: bytes) -> None:
    await site.broker.tasks.publish(Queue("toy", Lane.LOW), body)
    async with site.worker(pool_of()):
        assert (await dead_letter(site)).body == body
