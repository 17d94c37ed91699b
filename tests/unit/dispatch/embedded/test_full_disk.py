"""A disk that takes no more, here as a limit on the size of files."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from dispatch.embedded.broker import EmbeddedBroker
from dispatch.errors import BrokerUnavailable
from dispatch.ports import Lane, Queue

Open = Callable[..., Awaitable[EmbeddedBroker]]
QUEUE = Queue("model", Lane.NORMAL)
LIMIT_S = 20.0


@contextmanager
def full_disk() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_confirms_nothing_and_the_broker_recovers_by_itself(open_broker: Open) -> None:
    broker = await open_broker(lease_s=2.0)
    await broker.log.append(b"before")
    with full_disk():
        with pytest.raises(BrokerUnavailable) as caught:
            await broker.log.append(b"x" * 100_000)
        assert caught.value.__cause__ is not None
        assert not broker.available
    async with asyncio.timeout(LIMIT_S):
        while not broker.available:
            await broker.tasks.depth(QUEUE)
    await broker.log.append(b"after")
    async for records in broker.log.read():
        assert [record.body for record in records] == [b"before", b"after"]
        break


async def test_an_ack_waits_until_the_disk_takes_it(open_broker: Open) -> None:
    broker = await open_broker()
    await broker.tasks.publish(QUEUE, b"a")
    async with asyncio.timeout(LIMIT_S), broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        delivery = await anext(consumer)
        with full_disk():
            acking = asyncio.create_task(delivery.ack())
            with pytest.raises(BrokerUnavailable):
                await broker.log.append(b"x" * 100_000)
            assert not acking.done()
        await acking
        await consumer.stop()
    async with asyncio.timeout(LIMIT_S), broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        await broker.tasks.publish(QUEUE, b"b")
        assert (await anext(consumer)).body == b"b"
