"""A channel whose methods can be awaited, each with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Self, TypeVar

from pika.adapters.asyncio_connection import AsyncioConnection
from pika.exceptions import AMQPError, ChannelClosedByBroker

from dispatch.amqp.topology import QueueSpec
from dispatch.errors import BrokerUnavailable, ConfigurationError

T = TypeVar("T")

STEP_LIMIT_S = 5.0
NOT_FOUND = 404
NODE_DOWN = "down or inaccessible"
OPERATOR_MUST_ACT = frozenset({403, 406})
"""Access refused; declared before with other arguments."""


class NotThere(BrokerUnavailable):
    """The queue does not exist."""


class Channel:
    """One channel of a connection. It is lost when either side closes it, or when the broker cancels a consumer on it.

    Each awaited method raises:
        BrokerUnavailable: the channel was lost, or no answer came in time.
        ConfigurationError: the broker refuses, and will again.
    """

    def __init__(self) -> None:
        self._lost: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self.raw: Any = None

    @classmethod
    async def open(cls, connection: AsyncioConnection) -> Self:
        self = cls()
        try:
            await self._call(partial(self._open, connection), "on_open_callback")
        except BaseException:
            self.discard("not opened")
            raise
        return self

    def _open(self, connection: AsyncioConnection, *, on_open_callback: Callable[[Any], None]) -> None:
        self.raw = connection.channel(on_open_callback=on_open_callback)
        self.raw.add_on_close_callback(lambda _, reason: self._lose(reason))
        self.raw.add_on_cancel_callback(lambda _: self.discard("the broker cancelled the consumer"))

    @property
    def usable(self) -> bool:
        return not self._lost.done() and bool(self.raw.is_open)

    def on_lost(self, callback: Callable[[Exception], None]) -> None:
        """Have `callback` called with the reason once the channel is lost."""
        self._lost.add_done_callback(lambda lost: callback(lost.result()))

    async def lost(self) -> Exception:
        """Wait for the loss and give its reason."""
        return await asyncio.shield(self._lost)

    def _lose(self, reason: Exception) -> None:
        settle(self._lost, reason)

    def discard(self, reason: str) -> None:
        """Lose the channel now; the broker takes back what was delivered on it."""
        self._lose(BrokerUnavailable(reason))
        if self.raw is not None and not (self.raw.is_closed or self.raw.is_closing):
            self.raw.close()

    async def close(self) -> None:
        """Close it and wait, for a while, until the broker has done all that was asked on it."""
        if self.usable:
            self.raw.close()
            await asyncio.wait((self._lost,), timeout=STEP_LIMIT_S)

    async def _call(self, method: Callable[..., Any], callback: str = "callback") -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            method(**{callback: partial(settle, answer)})
        except AMQPError as error:
            raise BrokerUnavailable(f"the channel is gone: {error!r}") from error
        if not await self.heard(answer, STEP_LIMIT_S):
            raise BrokerUnavailable(f"no answer from the broker in {STEP_LIMIT_S:g} s")
        return answer.result()

    async def heard(self, answer: asyncio.Future[Any], limit_s: float) -> bool:
        """Wait for something that comes on this channel, and say whether it came in time."""
        await asyncio.wait((answer, self._lost), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if self._lost.done() and not answer.done():
            reason = self._lost.result()
            raise translated(reason) from reason
        return answer.done()

    async def declare(self, spec: QueueSpec) -> int:
        """Make sure that the queue is there, and count what waits in it."""
        frame = await self._call(partial(self.raw.queue_declare, spec.name, durable=True, arguments=dict(spec.arguments)))
        if spec.fanout:
            await self.declare_fanout(spec.name)
            await self.bind(spec.name, spec.name)
        return int(frame.method.message_count)

    async def check(self, name: str) -> None:
        """See that the queue is there.

        Raises:
            NotThere: it is not.
        """
        await self._call(partial(self.raw.queue_declare, name, passive=True))

    async def declare_own(self, arguments: Mapping[str, object]) -> str:
        """Make a queue that lives as long as this connection, and give its name."""
        frame = await self._call(partial(self.raw.queue_declare, "", exclusive=True, arguments=dict(arguments)))
        return str(frame.method.queue)

    async def declare_fanout(self, name: str) -> None:
        await self._call(partial(self.raw.exchange_declare, name, "fanout", durable=True))

    async def bind(self, queue: str, exchange: str) -> None:
        await self._call(partial(self.raw.queue_bind, queue, exchange))

    async def prefetch(self, count: int) -> None:
        """Hold at most `count` deliveries of each consumer that follows."""
        await self._call(partial(self.raw.basic_qos, prefetch_count=count))

    async def consume(self, queue: str, on_message: Callable[..., None], **options: Any) -> None:
        """Start a consumer. An exception in `on_message` would end the whole connection."""
        await self._call(partial(self.raw.basic_consume, queue, on_message, **options))

    async def cancel(self, tag: str) -> None:
        await self._call(partial(self.raw.basic_cancel, tag))

    async def confirm(self, on_confirm: Callable[[Any], None], on_return: Callable[..., None]) -> None:
        """Have every publish on this channel confirmed."""
        self.raw.add_on_return_callback(on_return)
        await self._call(partial(self.raw.confirm_delivery, on_confirm))


def settle(future: asyncio.Future[T], result: T) -> None:
    """Set a result unless there is one, or nobody waits any more."""
    if not future.done():
        future.set_result(result)


def translated(reason: Exception) -> BrokerUnavailable | ConfigurationError:
    """Say what the end of a channel means. A queue whose node is down is told with the code of one that is not there."""
    if isinstance(reason, ChannelClosedByBroker):
        if reason.reply_code == NOT_FOUND and NODE_DOWN not in reason.reply_text:
            return NotThere(reason.reply_text)
        if reason.reply_code in OPERATOR_MUST_ACT:
            return ConfigurationError(f"RabbitMQ refuses: {reason.reply_text}")
    return BrokerUnavailable(f"the channel was lost: {reason!r}")
