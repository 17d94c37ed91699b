"""The event log on RabbitMQ."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

from dispatch.amqp.declarations import Declarations
from dispatch.amqp.keeper import end
from dispatch.amqp.link import Link
from dispatch.amqp.publisher import Publisher
from dispatch.amqp.stream import FIRST, StreamReader, oldest
from dispatch.amqp.topology import Topology
from dispatch.options import BrokerOptions
from dispatch.ports import Record


class AmqpLog:
    """Implements `dispatch.ports.EventLog` with a stream."""

    def __init__(
        self, publishing: Link, consuming: Link, declarations: Declarations, topology: Topology, options: BrokerOptions
    ) -> None:
        self._consuming = consuming
        self._declarations = declarations
        self._topology = topology
        self.publisher = Publisher(publishing, declarations, probe=topology.probe, timeout_s=options.confirm_timeout_s)

    async def append(self, body: bytes) -> None:
        await self.publisher.publish(self._topology.log_route, body)

    async def read(self, *, lookback_s: float | None = None) -> AsyncIterator[Sequence[Record]]:
        start = FIRST if lookback_s is None else datetime.now(UTC) - timedelta(seconds=lookback_s)
        reader = StreamReader(self._declarations, self._topology.log, start)
        reading = asyncio.create_task(self._consuming.hold(reader.attend), name="rabbitmq log reader")
        reading.add_done_callback(lambda _: reader.news.set())
        try:
            while True:
                await reader.news.wait()
                if batch := reader.take():
                    yield batch
                elif reading.done():
                    reading.result()
        finally:
            await end(reading)

    async def oldest(self) -> int:
        channel = await self._consuming.channel()
        try:
            return await oldest(channel, self._topology.log.name)
        finally:
            channel.discard("asked")
