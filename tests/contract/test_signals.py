"""What all signals must do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from dispatch.connect import connect
from dispatch.options import BrokerOptions
from dispatch.ports import Broker
from harness.process import Process

LIMIT_S = 30.0
REPEAT_S = 0.1


async def hear(broker: Broker, body: bytes, *subscriptions: AsyncIterator[bytes]) -> list[bytes]:
    """Tell `body` until every subscription has heard something, for a signal may be lost; return what they heard."""
    waiting = [asyncio.ensure_future(anext(subscription)) for subscription in subscriptions]
    async with asyncio.timeout(LIMIT_S):
        while not all(future.done() for future in waiting):
            await broker.signals.publish(body)
            await asyncio.wait(waiting, timeout=REPEAT_S)
    return [future.result() for future in waiting]


async def test_a_signal_reaches_every_subscriber_of_every_broker(broker: Broker, another_broker: Broker) -> None:
    subscriptions = (broker.signals.subscribe(), broker.signals.subscribe(), another_broker.signals.subscribe())
    assert await hear(broker, b"hello", *subscriptions) == [b"hello"] * 3


async def test_a_signal_comes_from_another_process(broker: Broker, other_process: Callable[[str], Process]) -> None:
    subscription = broker.signals.subscribe()
    other_process("signal")
    async with asyncio.timeout(LIMIT_S):
        assert await anext(subscription) == b"from afar"


async def test_nothing_is_kept_for_who_subscribes_later(broker: Broker, another_broker: Broker) -> None:
    assert await hear(broker, b"early", another_broker.signals.subscribe()) == [b"early"]
    late = another_broker.signals.subscribe()
    assert await hear(broker, b"late", late) == [b"late"]


async def test_who_does_not_listen_does_not_hinder_the_others(broker: Broker, another_broker: Broker) -> None:
    deaf, listening = another_broker.signals.subscribe(), another_broker.signals.subscribe()
    for number in range(2000):
        await broker.signals.publish(b"%d" % number)
    assert await hear(broker, b"after", listening)
    assert await hear(broker, b"after", deaf)


async def test_telling_nobody_is_fine(broker_url: str, options: BrokerOptions) -> None:
    broker, gone = await connect(broker_url, options), await connect(broker_url, options)
    assert await hear(broker, b"hello", gone.signals.subscribe()) == [b"hello"]
    await gone.close()
    await broker.signals.publish(b"hello?")
    await broker.signals.publish(b"x" * 1_000_000)
    await broker.close()


async def test_signals_are_any_bytes(broker: Broker, another_broker: Broker) -> None:
    body = bytes(range(256)) * 16
    assert await hear(broker, body, another_broker.signals.subscribe()) == [body]
