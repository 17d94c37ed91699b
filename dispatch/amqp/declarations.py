"""Making sure that queues are there, each once for a connection, and counting what is in them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pika.adapters.asyncio_connection import AsyncioConnection

from dispatch.amqp.link import Link
from dispatch.amqp.topology import QueueSpec


class Declarations:
    """Works on channels of its own, for a refused declaration costs the channel."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._connection: AsyncioConnection | None = None
        self._known: set[str] = set()
        self._settled_s: dict[str, float] = {}
        """By the loop's clock: when what was declared for the first time may be trusted."""
        self._lock = asyncio.Lock()

    def covers(self, queues: Sequence[QueueSpec]) -> bool:
        """Say whether all were declared before, as far as is known without asking, and have settled."""
        return all(spec.name in self._known for spec in queues) and self._unsettled_s(queues) <= 0

    def forget(self, queues: Sequence[QueueSpec]) -> None:
        """Declare them again next time: one of them was deleted meanwhile."""
        self._known.difference_update(spec.name for spec in queues)

    async def ensure(self, queues: Sequence[QueueSpec]) -> None:
        """Declare the queues, in this order, unless that was done, and return when they have settled.

        Raises:
            BrokerUnavailable: the broker did not answer.
            ConfigurationError: one exists with other arguments.
        """
        async with self._lock:
            if any(spec.name not in self._known for spec in queues):
                await self._declare(queues)
        await asyncio.sleep(self._unsettled_s(queues))

    async def _declare(self, queues: Sequence[QueueSpec]) -> None:
        channel = await self._link.channel()
        try:
            for spec in queues:
                await channel.declare(spec)
                self._known.add(spec.name)
                if spec.settle_s:
                    self._settled_s.setdefault(spec.name, asyncio.get_running_loop().time() + spec.settle_s)
        finally:
            channel.discard("declared")

    def _unsettled_s(self, queues: Sequence[QueueSpec]) -> float:
        now_s = asyncio.get_running_loop().time()
        return max((self._settled_s.get(spec.name, now_s) - now_s for spec in queues), default=0.0)

    async def depth(self, spec: QueueSpec) -> int:
        """Count the messages that wait. Raises as `ensure`."""
        channel = await self._link.channel()
        try:
            return await channel.declare(spec)
        finally:
            channel.discard("counted")
