"""RabbitMQ 3.10 or newer as a broker; no plugin is needed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Self

import pika

from dispatch.amqp.address import parameters_of, tls_of
from dispatch.amqp.declarations import Declarations
from dispatch.amqp.link import Link
from dispatch.amqp.log import AmqpLog
from dispatch.amqp.publisher import Publisher
from dispatch.amqp.signals import AmqpSignals
from dispatch.amqp.tasks import AmqpTasks
from dispatch.amqp.tls import Tls
from dispatch.amqp.topology import Topology
from dispatch.options import BrokerOptions

OPEN_LIMIT_S = 2.0


class AmqpBroker:
    """Implements `dispatch.ports.Broker` over two connections.

    A broker that lacks memory or disk stops reading from those who publish; acks and deliveries have a connection of their own
    so that they go on.
    """

    def __init__(self, parameters: pika.ConnectionParameters, options: BrokerOptions, tls: Tls | None = None) -> None:
        self._publishing = Link(parameters, "publishing", tls)
        self._consuming = Link(parameters, "consuming", tls)
        topology = Topology(options)
        declarations = Declarations(self._consuming)
        self.tasks = AmqpTasks(self._publishing, self._consuming, declarations, topology, options)
        self.log = AmqpLog(self._publishing, self._consuming, declarations, topology, options)
        self.signals = AmqpSignals(self._publishing, self._consuming, topology.signals)

    @classmethod
    async def open(cls, url: str, options: BrokerOptions) -> Self:
        """Begin to connect, and return when that has succeeded or failed, or takes long.

        Raises:
            ConfigurationError: the address cannot be read.
        """
        logging.getLogger("pika").setLevel(logging.CRITICAL)  # it tells seven times, as errors, what a link tells once
        broker = cls(parameters_of(url, options), options, tls_of(url))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OPEN_LIMIT_S):
                await broker._settled()
        return broker

    async def _settled(self) -> None:
        for link in (self._publishing, self._consuming):
            await link.tried()
        if self._publishing.connected:
            for publisher in self._publishers:
                await publisher.opened()

    @property
    def _publishers(self) -> tuple[Publisher, Publisher]:
        return self.tasks.publisher, self.log.publisher

    @property
    def available(self) -> bool:
        return self._consuming.connected and all(publisher.ready for publisher in self._publishers)

    async def close(self) -> None:
        for part in (*self._publishers, self.signals, self._publishing, self._consuming):
            await part.close()
