"""Those who wait for a queued job are woken when it has moved, and only then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatch.codec import spec_of
from dispatch.connect import connect
from dispatch.events import Accepted, Started
from dispatch.journal import new_event_id
from dispatch.options import BrokerOptions
from dispatch.v1.event_pb2 import JobSpec, StoredInput
from gateway.messages import Teller
from gateway.standings import Standings
from gateway.store import Store
from gateway.workers import Workers


class Queue:
    """A store that follows its log, with its standings."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.workers = Workers()
        self.standings = Standings(store, Teller(store, self.workers), self.workers)

    async def accept(self, job_id: str) -> None:
        spec = spec_of(JobSpec(model="m", inputs=[StoredInput(name="a")], max_attempts=3).SerializeToString())
        await self.store.journal.commit(Accepted(id=new_event_id(), job_id=job_id, time_ns=time.time_ns(), spec=spec, digest=b""))

    async def start(self, job_id: str) -> None:
        names = {"task_id": "t", "run_id": "r", "worker": "w", "accepted_id": self.store.fold.jobs[job_id].accepted_id}
        await self.store.journal.commit(Started(id=new_event_id(), job_id=job_id, time_ns=time.time_ns(), item=0, **names))

    def woken(self, *job_ids: str) -> list[str]:
        """Look, and tell who of those that wait for these jobs was woken."""
        waiting = {job_id: self.store.news(job_id) for job_id in job_ids}
        self.standings.look()
        return [job_id for job_id, news in waiting.items() if news.done()]


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[Queue]:
    broker = await connect(f"embedded://{tmp_path}/broker", BrokerOptions())
    store = Store(broker.log)
    following = asyncio.ensure_future(store.journal.follow())
    yield Queue(store)
    following.cancel()
    await asyncio.wait({following})
    await broker.close()


async def test_who_waits_is_woken_when_the_job_has_moved_and_not_otherwise(queue: Queue):
    for job_id in ("first", "second", "third"):
        await queue.accept(job_id)
    queue.woken("second", "third")
    assert queue.woken("second", "third") == []
    await queue.start("first")
    assert queue.woken("second", "third") == ["second", "third"]
    assert queue.woken("second", "third") == []
    await queue.accept("fourth")
    assert queue.woken("second", "third") == [], "what comes later is not before them"


async def test_who_waits_is_woken_when_a_worker_comes_or_goes(queue: Queue):
    await queue.accept("job")
    queue.woken("job")
    queue.workers.alive("w", ["m"], 1)
    assert queue.woken("job") == ["job"]
    assert queue.woken("job") == []
    queue.workers.gone("w")
    assert queue.woken("job") == ["job"]


async def test_who_begins_to_wait_is_woken_once_for_what_moved_before_it_was_known(queue: Queue):
    await queue.accept("job")
    queue.woken()
    assert queue.woken("job") == ["job"]
    assert queue.woken("job") == []


async def test_who_waits_for_a_job_that_runs_is_left_alone(queue: Queue):
    await queue.accept("job")
    await queue.start("job")
    assert queue.woken("job") == []
