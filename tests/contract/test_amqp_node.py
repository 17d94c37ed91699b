"""What RabbitMQ itself suffers: killed, stopped, short of disk. The node is this module's own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.connect import connect
from dispatch.errors import BrokerUnavailable
from dispatch.options import BrokerOptions
from dispatch.ports import Broker, Lane, Queue
from harness.rabbit import RabbitNode

QUEUE = Queue("model", Lane.NORMAL)
LIMIT_S = 60.0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitNode]:
    home = os.environ.get("MYEYE_TEST_RABBITMQ_HOME")
    with RabbitNode(tmp_path_factory.mktemp("node"), server=Path(home) if home else None) as node:
        yield node


@pytest.fixture
async def ours(node: RabbitNode, options: BrokerOptions) -> AsyncIterator[Broker]:
    broker = await connect(node.url, replace(options, confirm_timeout_s=2.0))
    yield broker
    await broker.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - nobody tells when it comes true
            await asyncio.sleep(0.02)


class Sender:
    """Sends numbers one by one, through anything, and remembers which were confirmed."""

    def __init__(self, broker: Broker, send: Callable[[bytes], Awaitable[None]]) -> None:
        self.confirmed: list[bytes] = []
        self.failed = 0
        self._broker = broker
        self._send = send

    async def run(self) -> None:
        number = 0
        while True:
            number += 1
            body = b"%d" % number
            try:
                await self._send(body)
                self.confirmed.append(body)
            except BrokerUnavailable:
                self.failed += 1
                await until(lambda: self._broker.available)

    async def send_more(self, count: int) -> None:
        """Return when so many more were confirmed."""
        enough = len(self.confirmed) + count
        await until(lambda: len(self.confirmed) >= enough)


@asynccontextmanager
async def background(*coroutines: Coroutine[None, None, None]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in coroutines]
        yield
        for task in tasks:
            task.cancel()


async def kill_and_start(node: RabbitNode, name: str) -> None:
    """Kill the node once it would remember the queue: that takes it up to a second after the declaration."""
    await until(lambda: node.noted(name))
    await asyncio.to_thread(node.kill)
    await asyncio.to_thread(node.start)


async def test_every_confirmed_task_is_delivered_though_the_broker_was_killed(
    node: RabbitNode, ours: Broker, options: BrokerOptions
) -> None:
    sender = Sender(ours, lambda body: ours.tasks.publish(QUEUE, body))
    delivered: set[bytes] = set()

    async def work() -> None:
        async with ours.tasks.consume([QUEUE], prefetch=10) as consumer:
            async for delivery in consumer:
                delivered.add(delivery.body)
                await delivery.ack()

    async with background(sender.run(), work()):
        await sender.send_more(200)
        await kill_and_start(node, f"{options.name}.tasks.model.normal")
        await sender.send_more(200)
        confirmed = set(sender.confirmed)
        await until(lambda: confirmed <= delivered)
    assert sender.failed > 0


async def test_a_delayed_task_is_delivered_though_the_broker_was_killed_as_soon_as_it_was_confirmed(
    node: RabbitNode, ours: Broker
) -> None:
    await ours.tasks.publish(QUEUE, b"delayed", delay_s=0.1)
    await asyncio.to_thread(node.kill)
    await asyncio.to_thread(node.start)
    async with asyncio.timeout(LIMIT_S), ours.tasks.consume([QUEUE], prefetch=1) as consumer:
        delivery = await anext(aiter(consumer))
        assert delivery.body == b"delayed"
        await delivery.ack()


async def test_a_log_reader_goes_on_without_gap_or_repeat_though_the_broker_was_killed(node: RabbitNode, ours: Broker) -> None:
    sender = Sender(ours, ours.log.append)
    read: list[bytes] = []

    async def follow() -> None:
        async for batch in ours.log.read():
            read.extend(record.body for record in batch)

    async with background(sender.run(), follow()):
        await sender.send_more(200)
        await kill_and_start(node, "rabbit_stream_coordinator")
        await sender.send_more(200)
        last = sender.confirmed[-1]
        await until(lambda: last in read)
    numbers = [int(body) for body in read]
    assert numbers == sorted(set(numbers))
    assert {body for body in sender.confirmed if int(body) <= int(last)} <= set(read)


async def test_a_broker_that_goes_and_comes_is_connected_to_again(node: RabbitNode, ours: Broker, options: BrokerOptions) -> None:
    heard = asyncio.Event()

    async def listen() -> None:
        async for _ in ours.signals.subscribe():
            heard.set()

    async def tell() -> None:
        while True:
            await ours.signals.publish(b"here")
            await asyncio.sleep(0.02)

    async with background(listen(), tell()), asyncio.timeout(LIMIT_S):
        await heard.wait()
        await asyncio.to_thread(node.stop)
        heard.clear()
        late = await connect(node.url, options)
        for broker in (ours, late):
            assert not broker.available
            with pytest.raises(BrokerUnavailable):
                await broker.tasks.publish(QUEUE, b"early")
            with pytest.raises(BrokerUnavailable):
                await broker.tasks.depth(QUEUE)
        await asyncio.to_thread(node.start)
        await until(lambda: ours.available and late.available)
        await late.tasks.publish(QUEUE, b"late")
        assert await ours.tasks.depth(QUEUE) == 1
        await late.close()
        await heard.wait()


@pytest.mark.parametrize(
    ("alarm", "clear"),
    [
        (("set_disk_free_limit", "1000000GB"), ("set_disk_free_limit", "50MB")),
        (("set_vm_memory_high_watermark", "0.00001"), ("set_vm_memory_high_watermark", "0.6")),
    ],
    ids=["disk", "memory"],
)
async def test_a_broker_short_of_means_takes_nothing_and_still_hands_out(
    node: RabbitNode, ours: Broker, alarm: tuple[str, str], clear: tuple[str, str]
) -> None:
    await ours.tasks.publish(QUEUE, b"first")
    await ours.tasks.publish(QUEUE, b"second")
    async with ours.tasks.consume([QUEUE], prefetch=1) as consumer, asyncio.timeout(LIMIT_S):
        held = await anext(aiter(consumer))
        await asyncio.to_thread(node.ctl, *alarm)
        try:
            with pytest.raises(BrokerUnavailable):
                await ours.tasks.publish(QUEUE, b"unconfirmed")
            assert not ours.available
            with pytest.raises(BrokerUnavailable):
                await ours.log.append(b"refused")
            await held.ack()
            assert (await anext(aiter(consumer))).body == b"second"
        finally:
            await asyncio.to_thread(node.ctl, *clear)
        await until(lambda: ours.available)
        await ours.log.append(b"confirmed")
