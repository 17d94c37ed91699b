"""Taking the tasks of one model and kind: those that `Waiting` says first, so many at once, and none after the signal to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from dispatch.ports import Consumer, Delivery, Kind, Lane, Queue
from dispatch.shares import shares
from worker.waiting import Waiting

log = logging.getLogger(__name__)


def queues_of(model: str, kind: Kind = Kind.PICTURE) -> Sequence[Queue]:
    """Name the queues of a model for tasks of a kind, one for each lane and share."""
    return tuple(Queue(model, lane, kind, share) for lane in Lane for share in shares(kind))


class Intake:
    """Runs deliveries, at most `slots` at once."""

    def __init__(self, run: Callable[[Delivery], Awaitable[None]], *, slots: int, drain_s: float) -> None:
        self._run = run
        self._slots = slots
        self._drain_s = drain_s
        self._waiting = Waiting()
        self._active: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def work(self, consumer: Consumer, stop: asyncio.Event) -> None:
        """Run what comes until `stop` is set; then hand back what has not begun, and let the rest finish for `drain_s`."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._stop_with(consumer, stop))
                async for delivery in consumer:
                    self._take(delivery)
            await self._hand_back()
            await self._finish()
        finally:
            await self._cancel()

    async def _stop_with(self, consumer: Consumer, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopping = True
        await consumer.stop()

    def _take(self, delivery: Delivery) -> None:
        self._waiting.push(delivery)
        self._fill()

    def _fill(self) -> None:
        while len(self._active) < self._slots and not self._stopping and (delivery := self._waiting.pop()):
            task = asyncio.create_task(self._settle(delivery))
            self._active.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._active.discard(task)
        self._fill()

    async def _settle(self, delivery: Delivery) -> None:
        """Run a delivery. One that breaks the run itself is a dead letter: given back, it would break the next as well."""
        try:
            await self._run(delivery)
        except asyncio.CancelledError:
            await delivery.release()
            raise
        except Exception:
            log.exception("a run broke down, its task becomes a dead letter")
            await delivery.reject()

    async def _hand_back(self) -> None:
        handed_back = list(self._waiting.drain())
        log.info("stopping: %d tasks handed back, %d running", len(handed_back), len(self._active))
        for delivery in handed_back:
            await delivery.release()

    async def _finish(self) -> None:
        if self._active:
            await asyncio.wait(self._active, timeout=self._drain_s)

    async def _cancel(self) -> None:
        self._stopping = True
        active = tuple(self._active)
        if active:
            log.warning("%d tasks did not end in time and are handed back", len(active))
        for task in active:
            task.cancel()
        await asyncio.gather(*active, return_exceptions=True)
