"""Consuming queues, through broker restarts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Self

from dispatch.amqp.channel import Channel
from dispatch.amqp.declarations import Declarations
from dispatch.amqp.delivery import AmqpDelivery
from dispatch.amqp.keeper import end
from dispatch.amqp.link import Link
from dispatch.amqp.topology import QueueSpec
from dispatch.errors import BrokerUnavailable
from dispatch.ports import Queue

log = logging.getLogger(__name__)


class AmqpConsumer:
    """Implements `dispatch.ports.Consumer`: one channel, one consumer for each queue, no more than `prefetch` held of each.

    Deliveries whose channel was lost before they were taken are left out: the broker sends them again.
    """

    def __init__(
        self,
        link: Link,
        declarations: Declarations,
        queues: Mapping[str, Queue | None],
        specs: tuple[QueueSpec, ...],
        prefetch: int,
    ) -> None:
        self._declarations = declarations
        self._queues = queues
        self._specs = specs
        self._prefetch = prefetch
        self._channel: Channel | None = None
        self._tags: list[str] = []
        self._stopping = False
        self._arrived: asyncio.Queue[AmqpDelivery | None] = asyncio.Queue()
        self._keeper: asyncio.Task[None] = asyncio.create_task(link.hold(self._attend), name="rabbitmq consumer")
        self._keeper.add_done_callback(lambda _: self._arrived.put_nowait(None))

    async def _attend(self, channel: Channel) -> None:
        self._declarations.forget(self._specs)
        await self._declarations.ensure(self._specs)
        await channel.prefetch(self._prefetch)
        self._channel, self._tags = channel, []
        for name, queue in self._queues.items():
            if not self._stopping:
                self._tags.append(name)  # before the answer, which the first deliveries overtake
                await channel.consume(name, partial(self._arrive, channel, queue), consumer_tag=name)
        reason = await channel.lost()
        if not self._stopping:
            raise BrokerUnavailable(str(reason)) from reason

    def _arrive(self, channel: Channel, queue: Queue | None, _: Any, method: Any, properties: Any, body: bytes) -> None:
        self._arrived.put_nowait(AmqpDelivery(channel, method, properties, body, queue))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AmqpDelivery:
        while (delivery := await self._arrived.get()) is not None:
            if delivery.held:
                return delivery
        self._arrived.put_nowait(None)
        if self._keeper.done() and not self._keeper.cancelled():
            self._keeper.result()
        raise StopAsyncIteration

    async def stop(self) -> None:
        """Ask for no more, and give back what arrived but was not taken."""
        self._stopping = True
        try:
            await self._cancel()
        except BrokerUnavailable as error:
            log.info("consumers not cancelled, the broker will notice by itself: %s", error)
        while not self._arrived.empty():
            if delivery := self._arrived.get_nowait():
                await delivery.release()
        self._arrived.put_nowait(None)

    async def _cancel(self) -> None:
        tags, self._tags = self._tags, []
        for tag in tags:
            if self._channel is not None and self._channel.usable:
                await self._channel.cancel(tag)

    async def close(self) -> None:
        """Stop, and give back all that is still held."""
        await self.stop()
        if self._channel is not None:
            await self._channel.close()
        await end(self._keeper)
