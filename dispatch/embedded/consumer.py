"""A consumer's side of the work queue: what it holds, and the wish for more."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from sqlite3 import Connection

from dispatch.embedded import task_table
from dispatch.embedded.bell import Bell
from dispatch.embedded.delivery import EmbeddedDelivery
from dispatch.embedded.task_table import Hold, Settlement
from dispatch.embedded.writer import Writer
from dispatch.errors import BrokerUnavailable
from dispatch.ports import Queue

log = logging.getLogger(__name__)

RETRY_S = 1.0


class EmbeddedConsumer:
    """Implements `dispatch.ports.Consumer`. Looks for tasks whenever `rung` is set."""

    def __init__(
        self, writer: Writer, bell: Bell, rung: asyncio.Event, queues: Mapping[str, Queue | None], *, prefetch: int
    ) -> None:
        self.id = secrets.token_hex(8)
        self._writer = writer
        self._bell = bell
        self._rung = rung
        self._queues = queues
        self._prefetch = prefetch
        self._held: set[EmbeddedDelivery] = set()
        self._unread: asyncio.Queue[EmbeddedDelivery | None] = asyncio.Queue()
        self._stopped = False
        self._left = False
        self._taking = asyncio.create_task(self._take())

    def __aiter__(self) -> AsyncIterator[EmbeddedDelivery]:
        return self

    async def __anext__(self) -> EmbeddedDelivery:
        delivery = await self._unread.get()
        if delivery is None:
            self._unread.put_nowait(None)
            raise StopAsyncIteration
        return delivery

    async def stop(self) -> None:
        self._stopped = True
        self._rung.set()
        unread = self._forget_unread()
        self._unread.put_nowait(None)
        await asyncio.gather(*(delivery.release() for delivery in unread))

    async def leave(self, *, delivery_limit: int) -> None:
        """Give back all that is held, and end."""
        if self._left:
            return
        self._stopped = self._left = True
        self._taking.cancel()
        unread = self._forget_unread()
        self._unread.put_nowait(None)

        def leave(connection: Connection) -> None:
            for delivery in unread:
                task_table.release(connection, delivery.hold)
            task_table.leave(connection, self.id, delivery_limit=delivery_limit)

        try:
            await self._writer.run(leave, self._bell)
        except BrokerUnavailable as error:
            log.warning("what was held could not be given back, others get it when the lease is over: %s", error)

    async def _take(self) -> None:
        while not self._stopped:
            self._rung.clear()
            if any(self._rooms().values()):
                await self._take_once()
            await self._rung.wait()

    async def _take_once(self) -> None:
        rooms = self._rooms()

        def take(connection: Connection) -> list[Hold]:
            return task_table.take(connection, self.id, rooms, now_ns=time.monotonic_ns())

        try:
            # Without a time limit: what was taken must not be given to nobody.
            holds = await self._writer.submit(take)
        except BrokerUnavailable as error:
            log.warning("no tasks could be taken, trying again: %s", error)
            return
        deliveries = [EmbeddedDelivery(hold, self._queues[hold.queue], self._settle) for hold in holds]
        self._held.update(deliveries)
        if self._stopped:
            await asyncio.gather(*(delivery.release() for delivery in deliveries))
        else:
            for delivery in deliveries:
                self._unread.put_nowait(delivery)

    def _rooms(self) -> dict[str, int]:
        held = Counter(delivery.hold.queue for delivery in self._held)
        return {queue: self._prefetch - held[queue] for queue in self._queues}

    def _forget_unread(self) -> list[EmbeddedDelivery]:
        unread = []
        while not self._unread.empty():
            if delivery := self._unread.get_nowait():
                unread.append(delivery)
        return unread

    async def _settle(self, delivery: EmbeddedDelivery, settlement: Settlement) -> None:
        if delivery not in self._held:
            return
        self._held.discard(delivery)
        self._rung.set()  # there is room again: the next take is queued behind this settlement, into the same transaction
        bell = None if settlement is task_table.ack else self._bell  # an ack leaves nothing for others
        while not self._left:
            try:
                await self._writer.submit(lambda connection: settlement(connection, delivery.hold), bell)
            except BrokerUnavailable as error:
                log.warning("a task could not be settled, trying again: %s", error)
                await asyncio.sleep(RETRY_S)
            else:
                return
