"""The work queues on RabbitMQ."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from dispatch.amqp.consumer import AmqpConsumer
from dispatch.amqp.declarations import Declarations
from dispatch.amqp.link import Link
from dispatch.amqp.publisher import Publisher
from dispatch.amqp.topology import QueueSpec, Route, Topology
from dispatch.errors import QueueFull
from dispatch.options import BrokerOptions
from dispatch.ports import Consumer, Queue


class AmqpTasks:
    """Implements `dispatch.ports.TaskQueue` with a quorum queue for each model, lane and kind."""

    def __init__(
        self, publishing: Link, consuming: Link, declarations: Declarations, topology: Topology, options: BrokerOptions
    ) -> None:
        self._consuming = consuming
        self._declarations = declarations
        self._topology = topology
        self._max_length = options.max_queue_length
        self.publisher = Publisher(
            publishing, declarations, probe=topology.probe, timeout_s=options.confirm_timeout_s, explain=self._explain
        )

    async def publish(self, queue: Queue, body: bytes, *, delay_s: float = 0.0) -> None:
        await self.publisher.publish(self._topology.route(queue, delay_s), body)

    async def _explain(self, route: Route) -> None:
        """Tell a full queue from a lost leader, which both refuse."""
        target = route.queues[-1]
        if "x-max-length" in target.arguments and await self._declarations.depth(target) >= self._max_length:
            raise QueueFull(f"{target.name} holds its limit of {self._max_length} tasks")

    def consume(self, queues: Sequence[Queue], *, prefetch: int) -> AbstractAsyncContextManager[Consumer]:
        specs = tuple(map(self._topology.tasks, queues))
        names = (spec.name for spec in specs)
        return self._consume(dict(zip(names, queues, strict=True)), (self._topology.dead, *specs), prefetch)

    def dead_letters(self, *, prefetch: int) -> AbstractAsyncContextManager[Consumer]:
        dead = self._topology.dead
        return self._consume({dead.name: None}, (dead,), prefetch)

    @asynccontextmanager
    async def _consume(
        self, queues: Mapping[str, Queue | None], specs: tuple[QueueSpec, ...], prefetch: int
    ) -> AsyncIterator[Consumer]:
        consumer = AmqpConsumer(self._consuming, self._declarations, queues, specs, prefetch)
        try:
            yield consumer
        finally:
            await consumer.close()

    async def depth(self, queue: Queue) -> int:
        await self._declarations.ensure((self._topology.dead,))
        return await self._declarations.depth(self._topology.tasks(queue))
