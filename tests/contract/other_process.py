"""Another process on the same broker, to be killed: python other_process.py hold|append|signal URL NAME."""

from __future__ import annotations

import asyncio
import sys

from dispatch.connect import connect
from dispatch.options import BrokerOptions
from dispatch.ports import Broker, Lane, Queue


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def hold(broker: Broker) -> None:
    """Take tasks and keep them."""
    async with broker.tasks.consume([Queue("model", Lane.NORMAL)], prefetch=10) as consumer:
        async for delivery in consumer:
            say(f"holds {delivery.body.decode()}")


async def append(broker: Broker) -> None:
    """Append three records."""
    for body in (b"one", b"two", b"three"):
        await broker.log.append(body)
    say("appended")


async def signal(broker: Broker) -> None:
    """Tell something again and again."""
    while True:
        await broker.signals.publish(b"from afar")
        await asyncio.sleep(0.05)


async def main() -> None:
    task, url, name = sys.argv[1:]
    broker = await connect(url, BrokerOptions(name=name, lease_s=2.0))
    await {"hold": hold, "append": append, "signal": signal}[task](broker)
    await broker.close()


asyncio.run(main())
