"""Signals on RabbitMQ: a fanout exchange, and a queue of its own for each who listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from dispatch.amqp.channel import Channel
from dispatch.amqp.keeper import end, keeper
from dispatch.amqp.link import Link
from dispatch.amqp.topology import SIGNAL_TTL_MS, SIGNALS_KEPT
from dispatch.errors import BrokerUnavailable

MAILBOX = {"x-max-length": SIGNALS_KEPT, "x-overflow": "drop-head", "x-message-ttl": SIGNAL_TTL_MS}


class AmqpSignals:
    """Implements `dispatch.ports.Signals`. Nothing is persistent, confirmed or kept."""

    def __init__(self, publishing: Link, consuming: Link, exchange: str) -> None:
        self._publishing = publishing
        self._consuming = consuming
        self._exchange = exchange
        self._channel: Channel | None = None
        self._keeper = keeper(publishing.hold(self._attend), "signals")

    async def _attend(self, channel: Channel) -> None:
        await channel.declare_fanout(self._exchange)
        self._channel = channel
        reason = await channel.lost()
        raise BrokerUnavailable(str(reason)) from reason

    async def publish(self, body: bytes) -> None:
        if self._channel is not None and self._channel.usable and not self._publishing.blocked:
            self._channel.raw.basic_publish(self._exchange, "", body)

    async def subscribe(self) -> AsyncIterator[bytes]:
        heard: asyncio.Queue[bytes] = asyncio.Queue(SIGNALS_KEPT)

        def on_message(_: Any, __: Any, ___: Any, body: bytes) -> None:
            if heard.full():
                heard.get_nowait()
            heard.put_nowait(body)

        async def attend(channel: Channel) -> None:
            await channel.declare_fanout(self._exchange)
            mailbox = await channel.declare_own(MAILBOX)
            await channel.bind(mailbox, self._exchange)
            await channel.consume(mailbox, on_message, auto_ack=True)
            reason = await channel.lost()
            raise BrokerUnavailable(str(reason)) from reason

        listening = keeper(self._consuming.hold(attend), "listener")
        try:
            while True:
                yield await heard.get()
        finally:
            await end(listening)

    async def close(self) -> None:
        await end(self._keeper)
