"""The worker as a process: its exit codes, its signals, and what it says when it is ready."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatch.lifecycle import State
from harness.process import Process

Starter = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Start `python …` on the site's broker and blobs; what still runs at the end is killed."""
    started: list[Process] = []

    def start(*arguments: str) -> Process:
        shared = ("--broker", f"embedded://{tmp_path}/broker", "--blobs", f"file://{tmp_path}/blobs")
        process = Process("worker", (sys.executable, *arguments, *shared), log=tmp_path / "worker.log")
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        if process.running:
            process.kill()


TOY = str(Path(__file__).with_name("toy_worker.py"))


async def waited(function: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(function, *arguments)


async def test_wrong_settings_end_it_with_status_2(start: Starter) -> None:
    process = start("-m", "worker", "--detectors", "0")
    assert await waited(process.wait, 30) == 2
    assert "--detectors" in process.log.read_text()


async def test_a_model_that_is_not_there_ends_it_with_status_1(start: Starter, tmp_path: Path) -> None:
    process = start("-m", "worker", "--models", str(tmp_path))
    assert await waited(process.wait, 30) == 1
    assert "model efficientdet-lite0 is not in" in process.log.read_text()


async def test_it_says_once_that_it_is_ready_and_ends_well_on_sigterm(start: Starter, site: Any) -> None:
    process = start(TOY, "--name", "w1")
    task = await site.accept()
    await site.publish(task)
    assert (await site.ended(task.job_id)).state is State.SUCCEEDED
    await waited(process.wait_for, "ready", 30)
    assert await waited(process.stop) == 0
    lines = process.log.read_text()
    assert re.findall(r"worker w1 ready: .*", lines) == ["worker w1 ready: toy with 1 detectors"]
    assert f"[job={task.job_id} item=0 attempt=1] succeeded" in lines


async def test_what_does_not_end_in_the_drain_is_another_workers(start: Starter, site: Any, pool_of: Any) -> None:
    task = await site.accept(picture=b"endless")
    await site.publish(task)
    process = start(TOY, "--drain", "0")
    await site.at(task.job_id, State.RUNNING, attempt=1)
    assert await waited(process.stop) == 0
    async with site.worker(pool_of(), name="w2"):
        job = await site.ended(task.job_id)
    assert (job.items[0].worker, job.items[0].attempt) == ("w2", 2)


async def test_a_second_signal_ends_it_at_once(start: Starter, site: Any) -> None:
    task = await site.accept(picture=b"endless")
    await site.publish(task)
    process = start(TOY)
    await site.at(task.job_id, State.RUNNING, attempt=1)
    process.send(signal.SIGTERM)
    await waited(process.wait_for, "once more ends at once", 30)
    process.send(signal.SIGTERM)
    assert await waited(process.wait, 10) == -signal.SIGTERM
