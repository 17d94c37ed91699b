"""A worker says that it is there, what it offers, what its runs do, and goodbye."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from dispatch.v1.signal_pb2 import Signal
from myeye.v1.detection_service_pb2 import ItemProgress


async def until(heard: AsyncIterator[bytes], wanted: Callable[[Signal], bool]) -> Signal:
    """Listen until a signal comes that is wanted."""
    async with asyncio.timeout(20):
        while not wanted(signal := Signal.FromString(await anext(heard))):
            pass
    return signal


async def test_a_worker_says_that_it_is_alive_and_goodbye(site: Any, pool_of: Any) -> None:
    heard = site.broker.signals.subscribe()
    async with site.worker(pool_of(detectors=3), name="w1"):
        alive = (await until(heard, lambda signal: signal.worker_alive.worker == "w1")).worker_alive
        assert (list(alive.models), alive.detectors) == (["toy"], 3)
    await until(heard, lambda signal: signal.worker_gone.worker == "w1")


async def test_a_worker_offers_its_model_in_the_log(site: Any, pool_of: Any) -> None:
    async with site.worker(pool_of(), name="w1"):
        offered = await site.until(lambda: site.journal.fold.models.get("toy"))
    assert (offered.worker, offered.categories, offered.default_score_threshold) == ("w1", ("cat", "dog"), 0.5)


async def test_a_worker_offers_its_model_again_for_the_log_drops_what_is_old(site: Any, pool_of: Any) -> None:
    async with site.worker(pool_of(), name="w1", offer_every_s=0.01):
        first = await site.until(lambda: site.journal.fold.models.get("toy"))
        await site.until(lambda: site.journal.fold.models["toy"].id != first.id)


async def test_what_a_run_does_is_told_while_it_does_it(site: Any, pool_of: Any) -> None:
    task = await site.accept()
    gate = asyncio.Event()
    heard = site.broker.signals.subscribe()
    async with site.worker(pool_of(gate)):
        await site.publish(task)
        told = (await until(heard, lambda signal: signal.run_progress.stage == ItemProgress.STAGE_DETECTING)).run_progress
        assert (told.job_id, told.item) == (task.job_id, 0)
        assert told.run_id == site.journal.fold.jobs[task.job_id].items[0].run_id
        gate.set()
        await site.ended(task.job_id)
