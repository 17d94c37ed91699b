"""What was published on one channel, and what the broker said to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from pika import BasicProperties
from pika.exceptions import AMQPError
from pika.spec import Basic

from dispatch.amqp.channel import Channel
from dispatch.errors import BrokerUnavailable

PERSISTENT = 2


class Nacked(BrokerUnavailable):
    """The broker refused the message: the queue is full, or its leader is lost to this channel."""


class Unroutable(BrokerUnavailable):
    """No queue took the message; the broker would have confirmed it all the same."""


class ChannelLost(BrokerUnavailable):
    """The channel was lost before the broker's answer."""


class Confirms:
    """The futures of a channel's publishes, by delivery tag. The tag is also the message's id, by which returns are matched."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._basic_publish = channel.raw.basic_publish
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._published = 0

    async def start(self) -> None:
        await self.channel.confirm(self._on_confirm, self._on_return)
        self.channel.on_lost(self._on_lost)

    def publish(self, exchange: str, routing_key: str, body: bytes, *, mandatory: bool = True) -> asyncio.Future[None]:
        """Send a message; the future has the broker's answer.

        Raises:
            ChannelLost: nothing was sent.
        """
        tag = self._published + 1
        properties = BasicProperties(delivery_mode=PERSISTENT, message_id=str(tag))
        try:
            self._basic_publish(exchange, routing_key, body, properties, mandatory)
        except AMQPError as error:
            raise ChannelLost(f"the channel is gone: {error!r}") from error
        self._published = tag
        future = self._waiting[tag] = self._loop.create_future()
        return future

    def _on_confirm(self, frame: Any) -> None:
        method = frame.method
        nacked = isinstance(method, Basic.Nack)
        for tag in self._covered(method.delivery_tag, method.multiple):
            future = self._waiting.pop(tag, None)
            if future is None or future.done():  # the publisher gave up, or the message came back before its confirm
                continue
            if nacked:
                future.set_exception(Nacked("the broker refused the message"))
            else:
                future.set_result(None)

    def _covered(self, last: int, multiple: bool) -> Iterable[int]:
        if not multiple:
            return (last,)
        return [tag for tag in self._waiting if tag <= last or last == 0]

    def _on_return(self, _: Any, method: Any, properties: BasicProperties, __: bytes) -> None:
        future = self._waiting.get(int(properties.message_id))
        if future is not None and not future.done():
            future.set_exception(Unroutable(f"{method.reply_text}: no queue for {method.routing_key!r}"))

    def _on_lost(self, reason: Exception) -> None:
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(ChannelLost(f"the channel was lost before the confirm: {reason!r}"))
