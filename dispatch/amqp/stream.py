"""Reading a stream: each record once and in order, and an error rather than a gap."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from dispatch.amqp.channel import Channel, NotThere, settle
from dispatch.amqp.declarations import Declarations
from dispatch.amqp.topology import QueueSpec
from dispatch.errors import BrokerUnavailable, LogTruncated
from dispatch.ports import Record

PREFETCH = 1000
ACK_EVERY = 100
ACK_WITHIN_S = 0.1
RESUME_LIMIT_S = 5.0
OFFSET = "x-stream-offset"
FIRST = "first"


class Acks:
    """Acks on receipt, by the hundred, and the rest soon. The broker closes the channel of a reader that holds acks back."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._tag = 0
        self._open = 0
        self._timer: asyncio.TimerHandle | None = None

    def received(self, tag: int) -> None:
        self._tag = tag
        self._open += 1
        if self._open >= ACK_EVERY:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(ACK_WITHIN_S, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._open = 0
        if self._channel.usable:
            self._channel.raw.basic_ack(self._tag, multiple=True)


class StreamReader:
    """Collects what arrives, over one channel after the other.

    A stream that was deleted and made anew, or cut, gives no error by itself: asked for an offset which it has not, the broker
    sends what comes later, or nothing. So each channel after the first begins with the record that came last on the one
    before, and it must be the same record.
    """

    def __init__(self, declarations: Declarations, spec: QueueSpec, start: str | datetime) -> None:
        self._declarations = declarations
        self._spec = spec
        self._start = start
        self._channel: Channel | None = None
        self._arrived: list[Record] = []
        self._latest: Record | None = None
        self.news = asyncio.Event()

    def take(self) -> Sequence[Record]:
        """Give what arrived since the last call."""
        batch, self._arrived = self._arrived, []
        self.news.clear()
        return batch

    async def attend(self, channel: Channel) -> None:
        """Read until the channel is lost.

        Raises:
            BrokerUnavailable: that has happened.
            LogTruncated: the record that was read last is not there any more.
        """
        self._channel = channel
        try:
            await channel.prefetch(PREFETCH)
            await (self._begin(channel) if self._latest is None else self._resume(channel, self._latest))
            reason = await channel.lost()
            raise BrokerUnavailable(str(reason)) from reason
        finally:
            self._channel = None

    async def _begin(self, channel: Channel) -> None:
        self._declarations.forget((self._spec,))
        await self._declarations.ensure((self._spec,))
        await self._consume(channel, self._start, partial(self._receive, channel, Acks(channel)))

    async def _resume(self, channel: Channel, latest: Record) -> None:
        offset = latest.position
        first: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        acks = Acks(channel)

        def compare(raw: Any, method: Any, properties: Any, found: bytes) -> None:
            if not first.done():
                acks.received(method.delivery_tag)
                first.set_result(Record(properties.headers[OFFSET], found) == latest)
            elif first.result():
                self._receive(channel, acks, raw, method, properties, found)

        try:
            await channel.check(self._spec.name)
        except NotThere as error:
            raise LogTruncated(f"the stream {self._spec.name} was deleted") from error
        await self._consume(channel, offset, compare)
        if not await channel.heard(first, RESUME_LIMIT_S):
            raise LogTruncated(f"the stream {self._spec.name} ends before offset {offset}, which was read from it")
        if not first.result():
            raise LogTruncated(f"the stream {self._spec.name} has another record at offset {offset} than was read there")

    async def _consume(self, channel: Channel, start: object, on_message: Any) -> None:
        await channel.consume(self._spec.name, on_message, arguments={OFFSET: start})

    def _receive(self, channel: Channel, acks: Acks, _: Any, method: Any, properties: Any, body: bytes) -> None:
        if channel is not self._channel:  # left behind; the next one begins where this one was left
            return
        self._latest = Record(properties.headers[OFFSET], body)
        self._arrived.append(self._latest)
        acks.received(method.delivery_tag)
        self.news.set()


async def oldest(channel: Channel, stream: str) -> int:
    """Give the offset of the first record that the stream has.

    Raises:
        BrokerUnavailable: the stream has none, or the broker did not answer.
    """
    first: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    await channel.prefetch(1)
    await channel.consume(
        stream, lambda _, __, properties, ___: settle(first, properties.headers[OFFSET]), arguments={OFFSET: FIRST}
    )
    if not await channel.heard(first, RESUME_LIMIT_S):
        raise BrokerUnavailable(f"the stream {stream} gave no record in {RESUME_LIMIT_S:g} s")
    return first.result()
