"""A task from RabbitMQ, held until it is acked, rejected or released, or until its channel is lost."""

from __future__ import annotations

from pika import BasicProperties
from pika.spec import Basic

from dispatch.amqp.channel import Channel
from dispatch.ports import Queue


class AmqpDelivery:
    """Implements `dispatch.ports.Delivery`."""

    __slots__ = ("_channel", "_tag", "body", "queue", "reason", "redelivered")

    def __init__(
        self, channel: Channel, method: Basic.Deliver, properties: BasicProperties, body: bytes, queue: Queue | None
    ) -> None:
        headers = properties.headers or {}
        self._channel = channel
        self._tag: int | None = method.delivery_tag
        self.body = body
        self.queue = queue
        self.redelivered = bool(method.redelivered or headers.get("x-delivery-count"))
        self.reason = str(headers.get("x-first-death-reason", ""))

    @property
    def held(self) -> bool:
        return self._tag is not None and self._channel.usable

    async def ack(self) -> None:
        if (tag := self._settle()) is not None:
            self._channel.raw.basic_ack(tag)

    async def reject(self) -> None:
        if (tag := self._settle()) is not None:
            self._channel.raw.basic_reject(tag, requeue=False)

    async def release(self) -> None:
        if (tag := self._settle()) is not None:
            self._channel.raw.basic_nack(tag, requeue=True)

    def _settle(self) -> int | None:
        """Give the tag if the broker still waits for an answer to it: a second answer would cost the channel."""
        tag = self._tag if self.held else None
        self._tag = None
        return tag
