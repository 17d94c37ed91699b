"""Publishing with confirms: many messages under way at once, none forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dispatch.amqp.channel import STEP_LIMIT_S, Channel
from dispatch.amqp.confirms import ChannelLost, Confirms, Nacked, Unroutable
from dispatch.amqp.declarations import Declarations
from dispatch.amqp.keeper import end, keeper
from dispatch.amqp.link import Link
from dispatch.amqp.topology import Route
from dispatch.errors import BrokerUnavailable

WINDOW = 256
"""Messages under way; whoever has more waits."""


async def no_reason(_: Route) -> None:
    """Know of no reason why a message was refused."""


class Publisher:
    """Keeps one confirming channel, and replaces it on any doubt.

    A channel that lost its queue's leader refuses for ever while a fresh one works, hence the replacement. `explain` is
    called when a message was refused; it raises if that has a reason which a fresh channel does not cure.
    """

    def __init__(
        self,
        link: Link,
        declarations: Declarations,
        *,
        probe: str,
        timeout_s: float,
        explain: Callable[[Route], Awaitable[None]] = no_reason,
    ) -> None:
        self._link = link
        self._declarations = declarations
        self._probe = probe
        self._timeout_s = timeout_s
        self._explain = explain
        self._loop = asyncio.get_running_loop()
        self._window = asyncio.Semaphore(WINDOW)
        self._confirms: Confirms | None = None
        self._ready = asyncio.Event()
        self._keeper = keeper(link.hold(self._attend), "publisher")

    @property
    def ready(self) -> bool:
        return self._confirms is not None and self._confirms.channel.usable and not self._link.blocked

    async def opened(self) -> None:
        """Wait until it can publish."""
        await self._ready.wait()

    async def publish(self, route: Route, body: bytes) -> None:
        """Return once the message is confirmed. It may arrive twice, should a channel be lost meanwhile.

        Raises:
            BrokerUnavailable: it was not, in time; it may or may not be there.
            ConfigurationError: a queue of the route cannot be declared.
            DispatchError: what `explain` raises.
        """
        async with self._window:
            if not self._declarations.covers(route.queues):
                await self._declare(route)
            deadline = self._loop.time() + self._timeout_s
            try:
                await self._send(route, body, deadline)
            except (Unroutable, ChannelLost):
                # Once more: the queue was deleted, the link broke, or, on 3.10, another process is just declaring this
                # stream: RabbitMQ calls it declared before it can be written, and ends the connection of whoever does.
                self._declarations.forget(route.queues)
                await self._declare(route)
                await self._send(route, body, deadline)

    async def _declare(self, route: Route) -> None:
        self._refuse_if_blocked()
        await self._declarations.ensure(route.queues)

    async def _send(self, route: Route, body: bytes, deadline: float) -> None:
        while True:
            confirms = self._confirms or await self._open_until(deadline)
            self._refuse_if_blocked()
            try:
                async with asyncio.timeout_at(deadline):
                    return await confirms.publish(route.exchange, route.routing_key, body)
            except Nacked:
                await self._explain(route)
                self._replace(confirms, "the broker refused a message on it")
            except TimeoutError as error:
                self._replace(confirms, "the broker did not confirm in time")
                raise BrokerUnavailable(f"not confirmed within {self._timeout_s:g} s") from error

    def _refuse_if_blocked(self) -> None:
        if self._link.blocked:
            raise BrokerUnavailable("the broker takes nothing for now: it lacks memory or disk")

    async def _open_until(self, deadline: float) -> Confirms:
        """Wait for a channel, unless the broker is known to be away."""
        self._refuse_if_blocked()
        try:
            async with asyncio.timeout_at(deadline):
                while self._confirms is None:
                    await self._link.connection()
                    await self._ready.wait()
        except TimeoutError as error:
            raise BrokerUnavailable(f"no channel to RabbitMQ within {self._timeout_s:g} s") from error
        return self._confirms

    def _replace(self, confirms: Confirms, reason: str) -> None:
        confirms.channel.discard(reason)
        self._forget(confirms)

    def _forget(self, confirms: Confirms) -> None:
        if self._confirms is confirms:
            self._confirms = None
            self._ready.clear()

    async def _attend(self, channel: Channel) -> None:
        confirms = Confirms(channel)
        await confirms.start()
        await self._check(confirms)
        self._confirms = confirms
        self._ready.set()
        try:
            reason = await channel.lost()
            raise BrokerUnavailable(str(reason)) from reason
        finally:
            self._forget(confirms)

    async def _check(self, confirms: Confirms) -> None:
        """Publish to nowhere: a broker that lacks memory or disk says so only to those who publish."""
        try:
            async with asyncio.timeout(STEP_LIMIT_S):
                await confirms.publish("", self._probe, b"", mandatory=False)
        except TimeoutError as error:
            raise BrokerUnavailable("the broker takes nothing") from error

    async def close(self) -> None:
        await end(self._keeper)
