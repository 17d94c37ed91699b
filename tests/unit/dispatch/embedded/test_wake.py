"""How brokers on one folder reach each other."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from dispatch.embedded.broker import EmbeddedBroker
from dispatch.ports import Lane, Queue

Open = Callable[..., Awaitable[EmbeddedBroker]]
QUEUE = Queue("model", Lane.NORMAL)
LIMIT_S = 20.0


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path leaves room for sockets below it, however deep the tests' own folders are."""
    with tempfile.TemporaryDirectory(prefix="myeye-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.parametrize("folder", ["short", "long-" * 40])
async def test_another_broker_wakes_a_consumer_before_its_next_round(open_broker: Open, folder: str) -> None:
    await pass_tasks(await open_broker(folder), await open_broker(folder))


async def test_a_broker_wakes_its_own_consumer_before_its_next_round(open_broker: Open) -> None:
    broker = await open_broker()
    await pass_tasks(broker, broker)


async def pass_tasks(one: EmbeddedBroker, two: EmbeddedBroker) -> None:
    """Fail by the limit if each task waits for a round, which comes about every second."""
    async with asyncio.timeout(LIMIT_S), one.tasks.consume([QUEUE], prefetch=1) as consumer:
        for _ in range(50):
            await two.tasks.publish(QUEUE, b"task")
            await (await anext(consumer)).ack()


async def test_an_ack_makes_room_before_the_next_round(open_broker: Open) -> None:
    broker = await open_broker()
    await asyncio.gather(*(broker.tasks.publish(QUEUE, b"task") for _ in range(50)))
    async with asyncio.timeout(LIMIT_S), broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        for _ in range(50):
            await (await anext(consumer)).ack()


async def test_the_socket_of_a_dead_process_is_removed(open_broker: Open, short_path: Path) -> None:
    one, two = await open_broker(str(short_path)), await open_broker(str(short_path))
    dead = short_path / "wake" / "signals" / "dead"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left_behind:
        left_behind.bind(str(dead))
    subscription = two.signals.subscribe()
    await one.signals.publish(b"hello")
    async with asyncio.timeout(LIMIT_S):
        assert await anext(subscription) == b"hello"
    assert not dead.exists()


async def test_closing_leaves_no_socket_behind(open_broker: Open, short_path: Path) -> None:
    broker = await open_broker(str(short_path))
    await broker.close()
    assert (short_path / "wake").is_dir()
    assert [path for path in (short_path / "wake").rglob("*") if not path.is_dir()] == []
