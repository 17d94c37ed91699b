"""Whoever can publish to a work queue can write anything into a task: it becomes a dead letter, once, and that is all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from dispatch.events import Started
from dispatch.lifecycle import State
from dispatch.ports import Lane, Queue
from dispatch.v1.task_pb2 import Task

Spoil = Callable[[Task, Path], None]


async def dead_letters(site: Any, number: int) -> list[bytes]:
    """Take so many dead letters."""
    bodies = []
    async with asyncio.timeout(20), site.broker.tasks.dead_letters(prefetch=10) as letters:
        async for letter in letters:
            assert letter.reason == "rejected"
            bodies.append(letter.body)
            await letter.ack()
            if len(bodies) == number:
                return bodies
    raise AssertionError("letters come for ever")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff garbage",
        b"\x00" * 1000,
        Task(id="of no job").SerializeToString(),
        Task(job_id="no id").SerializeToString(),
    ],
)
async def test_what_is_no_task_becomes_a_dead_letter_once_and_says_why(
    site: Any, pool_of: Any, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    await site.broker.tasks.publish(Queue("toy", Lane.NORMAL), body)
    task = await site.accept()
    await site.publish(task)
    async with site.worker(pool_of()):
        assert (await site.ended(task.job_id)).state is State.SUCCEEDED
        assert await dead_letters(site, 1) == [body]
    assert await site.depths() == [0, 0, 0]
    assert len([record for record in caplog.records if "is not readable" in record.message]) == 1


def _far_away(task: Task, folder: Path) -> None:
    task.input_blob = str(folder / "secret")


def _up(task: Task, _: Path) -> None:
    task.input_blob = "../secret"


def _up_from_its_own(task: Task, _: Path) -> None:
    task.input_blob = f"jobs/{task.job_id}/../../../secret"


def _drawn_up(task: Task, _: Path) -> None:
    task.annotated_blob = "../secret"


def _drawn_over_another(task: Task, _: Path) -> None:
    task.annotated_blob = "jobs/victim/0/input"


def _read_from_another(task: Task, _: Path) -> None:
    task.input_blob = "jobs/victim/0/input"


def _of_tomorrow(task: Task, _: Path) -> None:
    task.version = 1


def _never(task: Task, _: Path) -> None:
    task.execution_timeout.seconds = -1


def _for_ever(task: Task, _: Path) -> None:
    task.execution_timeout.seconds = 2**40


def _again_and_again(task: Task, _: Path) -> None:
    task.max_attempts = 2**31 - 1


def _attempt_0(task: Task, _: Path) -> None:
    task.attempt = 0


def _before_time(task: Task, _: Path) -> None:
    task.create_time.seconds = -(2**62)


def _below_zero(task: Task, _: Path) -> None:
    task.options.score_threshold = -1


@pytest.mark.parametrize(
    "spoil",
    [
        *(_far_away, _up, _up_from_its_own, _drawn_up, _drawn_over_another, _read_from_another),
        *(_of_tomorrow, _never, _for_ever, _again_and_again, _attempt_0, _before_time, _below_zero),
    ],
)
@pytest.mark.parametrize("kind", ["picture", "video"])
async def test_a_hostile_task_reads_and_writes_nothing_and_becomes_a_dead_letter(
    site: Any, pool_of: Any, spoil: Spoil, kind: str
) -> None:
    secret = site.folder / "secret"
    secret.write_bytes(b"untouched")
    await site.blobs.put("jobs/victim/0/input", b"the picture of another")
    task = await site.accept(annotate=True)
    if kind == "video":
        task.video.SetInParent()
    spoil(task, site.folder)
    await site.publish(task)
    pool = pool_of()
    async with site.worker(pool):
        (letter,) = await dead_letters(site, 1)
    assert letter == task.SerializeToString()
    assert pool.requests == []
    assert site.told(Started, task.job_id) == []
    assert secret.read_bytes() == b"untouched"
    assert await site.blobs.get("jobs/victim/0/input") == b"the picture of another"
    assert sorted(path.name for path in site.folder.iterdir()) == ["blobs", "broker", "secret"]


async def test_strange_but_harmless_values_do_no_harm(site: Any, pool_of: Any) -> None:
    """An item that its job does not have is not begun, and what should have been begun long ago expires."""
    beyond = await site.accept()
    beyond.item = 7
    past = await site.accept()
    past.start_deadline_time.CopyFrom(Timestamp(seconds=1))
    good = await site.accept()
    for task in (beyond, past, good):
        await site.publish(task)
    async with site.worker(pool_of()):
        assert (await site.ended(good.job_id)).state is State.SUCCEEDED
        assert (await site.ended(past.job_id)).state is State.EXPIRED
    assert site.journal.fold.jobs[beyond.job_id].state is State.QUEUED
    assert await site.depths() == [0, 0, 0]


async def test_a_task_that_the_log_does_not_know_ends_after_its_attempts(site: Any, pool_of: Any) -> None:
    task = await site.accept(unlogged=True)
    task.max_attempts = 2
    task.execution_timeout.CopyFrom(Duration(nanos=1))
    await site.publish(task)
    async with site.worker(pool_of(asyncio.Event(), asyncio.Event())):
        (letter,) = await dead_letters(site, 1)
    assert Task.FromString(letter).attempt == 2
    assert await site.depths() == [0, 0, 0]
