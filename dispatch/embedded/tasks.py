"""The work queue on SQLite."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

from dispatch.embedded import task_table
from dispatch.embedded.bell import Bell
from dispatch.embedded.consumer import EmbeddedConsumer
from dispatch.embedded.reader import Reader
from dispatch.embedded.writer import Writer
from dispatch.options import BrokerOptions
from dispatch.ports import Queue


class EmbeddedTasks:
    """Implements `dispatch.ports.TaskQueue`."""

    def __init__(self, writer: Writer, reader: Reader, bell: Bell, options: BrokerOptions) -> None:
        self._writer = writer
        self._reader = reader
        self._bell = bell
        self._options = options
        self._consumers: set[EmbeddedConsumer] = set()

    @property
    def consumer_ids(self) -> list[str]:
        """Who must be known to be alive."""
        return [consumer.id for consumer in self._consumers]

    async def publish(self, queue: Queue, body: bytes, *, delay_s: float = 0.0) -> None:
        insert = partial(
            task_table.insert,
            queue=queue.path,
            body=body,
            now_ns=time.monotonic_ns(),
            delay_ns=max(0, int(delay_s * 1e9)),
            max_length=self._options.max_queue_length,
        )
        await self._writer.run(insert, self._bell)

    @asynccontextmanager
    async def consume(self, queues: Sequence[Queue], *, prefetch: int) -> AsyncIterator[EmbeddedConsumer]:
        async with self._consume({queue.path: queue for queue in queues}, prefetch) as consumer:
            yield consumer

    @asynccontextmanager
    async def dead_letters(self, *, prefetch: int) -> AsyncIterator[EmbeddedConsumer]:
        async with self._consume({task_table.DEAD_LETTERS: None}, prefetch) as consumer:
            yield consumer

    @asynccontextmanager
    async def _consume(self, queues: Mapping[str, Queue | None], prefetch: int) -> AsyncIterator[EmbeddedConsumer]:
        with self._bell.listen() as rung:
            consumer = EmbeddedConsumer(self._writer, self._bell, rung, queues, prefetch=prefetch)
            self._consumers.add(consumer)
            try:
                yield consumer
            finally:
                self._consumers.discard(consumer)
                await consumer.leave(delivery_limit=self._options.delivery_limit)

    async def depth(self, queue: Queue) -> int:
        return await self._reader.run(partial(task_table.depth, queue=queue.path))

    async def close(self) -> None:
        """Give back at once what is held."""
        while self._consumers:
            await self._consumers.pop().leave(delivery_limit=self._options.delivery_limit)
