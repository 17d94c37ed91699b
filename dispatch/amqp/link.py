"""One connection to RabbitMQ, made again whenever it breaks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.adapters.utils.connection_workflow import AMQPConnectionWorkflowFailed, AMQPConnectorTransportSetupError
from pika.exceptions import AuthenticationError, IncompatibleProtocolError, ProbableAccessDeniedError, ProbableAuthenticationError

from dispatch.amqp.address import shown
from dispatch.amqp.channel import STEP_LIMIT_S, Channel, settle
from dispatch.amqp.keeper import end, keeper
from dispatch.amqp.pauses import pauses
from dispatch.amqp.tls import Tls
from dispatch.errors import BrokerUnavailable, ConfigurationError

log = logging.getLogger(__name__)

CONNECT_LIMIT_S = 15.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
FIRST_REFUSED_PAUSE_S = 1.0
LONGEST_REFUSED_PAUSE_S = 30.0
CLOSE_LIMIT_S = 2.0
REFUSALS = (AuthenticationError, ProbableAuthenticationError, ProbableAccessDeniedError, IncompatibleProtocolError)


class Link:
    """Keeps one connection. `blocked` says that the broker takes nothing for now, because it lacks memory or disk."""

    def __init__(self, parameters: pika.ConnectionParameters, purpose: str, tls: Tls | None = None) -> None:
        self._parameters = parameters
        self._tls = tls
        self._where = shown(parameters)
        self._purpose = purpose
        self._loop = asyncio.get_running_loop()
        self._attempt: asyncio.Future[AsyncioConnection] = self._loop.create_future()
        self._up = asyncio.Event()
        self._keeper = keeper(self._keep(), f"connection ({purpose})")
        self.blocked = False

    @property
    def connected(self) -> bool:
        return self._up.is_set()

    async def channel(self) -> Channel:
        """Open a channel. Raises as `connection`."""
        return await Channel.open(await self.connection())

    async def connection(self) -> AsyncioConnection:
        """Give the connection, or wait for the outcome of a first try that is under way.

        Raises:
            BrokerUnavailable: the broker is away, refuses us, or does not answer.
        """
        try:
            async with asyncio.timeout(STEP_LIMIT_S):
                return await asyncio.shield(self._attempt)
        except TimeoutError as error:
            raise BrokerUnavailable(f"no connection to RabbitMQ at {self._where} yet") from error

    async def tried(self) -> None:
        """Wait for the outcome of the first try to connect, whatever it is."""
        await asyncio.wait((self._attempt,))

    async def hold(self, attend: Callable[[Channel], Awaitable[None]]) -> None:
        """Open a channel and hand it to `attend`, and again whenever that fails, until it returns."""
        waits = pauses(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        while True:
            await self._up.wait()
            opened = self._loop.time()
            try:
                channel = await self.channel()
                try:
                    return await attend(channel)
                finally:
                    channel.discard("left")
            except BrokerUnavailable as error:
                log.info("channel (%s) of RabbitMQ at %s: %s", self._purpose, self._where, error)
            except ConfigurationError as error:
                log.error("RabbitMQ at %s cannot be used as configured: %s", self._where, error)
            if self._loop.time() - opened > LONGEST_PAUSE_S:
                waits = pauses(FIRST_PAUSE_S, LONGEST_PAUSE_S)
            await asyncio.sleep(next(waits))

    async def close(self) -> None:
        await end(self._keeper)

    async def _keep(self) -> None:
        waits, refused_waits = _waits()
        while True:
            try:
                connection, closed = await self._connect()
            except BrokerUnavailable as error:
                self._fail(error)
                log.warning("RabbitMQ at %s is away (%s): %s", self._where, self._purpose, error)
                pause_s = next(waits)
            except ConfigurationError as error:
                self._fail(error)
                log.error("RabbitMQ at %s refuses us (%s): %s", self._where, self._purpose, error)
                pause_s = next(refused_waits)
            else:
                log.info("connected to RabbitMQ at %s (%s)", self._where, self._purpose)
                waits, refused_waits = _waits()
                await self._serve(connection, closed)
                pause_s = next(waits)
            await asyncio.sleep(pause_s)

    async def _serve(self, connection: AsyncioConnection, closed: asyncio.Future[Exception]) -> None:
        """Offer the connection until it is lost."""
        self.blocked = False
        self._renew()
        self._attempt.set_result(connection)
        self._up.set()
        try:
            reason = await asyncio.shield(closed)
            log.warning("connection to RabbitMQ at %s lost (%s): %r", self._where, self._purpose, reason)
        finally:
            self._up.clear()
            self._renew()
            await _close(connection, closed)

    def _fail(self, error: Exception) -> None:
        """Answer those who wait, and those who ask before the next try has an outcome."""
        self._renew()
        self._attempt.set_exception(BrokerUnavailable(f"no connection to RabbitMQ at {self._where}: {error}"))
        self._attempt.exception()  # perhaps nobody asks

    def _renew(self) -> None:
        if self._attempt.done():
            self._attempt = self._loop.create_future()

    async def _connect(self) -> tuple[AsyncioConnection, asyncio.Future[Exception]]:
        """Connect; the future tells when and why the connection was lost."""
        if self._tls is not None:
            self._parameters.ssl_options = self._tls.options()
        opened: asyncio.Future[None] = self._loop.create_future()
        closed: asyncio.Future[Exception] = self._loop.create_future()

        def on_end(_: Any, reason: Exception) -> None:
            settle(closed, reason)

        connection = AsyncioConnection(
            self._parameters,
            on_open_callback=lambda _: settle(opened, None),
            on_open_error_callback=on_end,
            on_close_callback=on_end,
            custom_ioloop=self._loop,
        )
        connection.add_on_connection_blocked_callback(lambda _, frame: self._block(frame.method.reason))
        connection.add_on_connection_unblocked_callback(lambda *_: self._unblock())
        try:
            await asyncio.wait((opened, closed), timeout=CONNECT_LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not opened.done():
                await _close(connection, closed)
        if opened.done():
            return connection, closed
        reason = closed.result() if closed.done() else TimeoutError(f"no answer in {CONNECT_LIMIT_S:g} s")
        raise _translated(reason) from reason

    def _block(self, reason: str) -> None:
        log.warning("RabbitMQ at %s takes nothing for now: %s", self._where, reason)
        self.blocked = True

    def _unblock(self) -> None:
        log.info("RabbitMQ at %s takes messages again", self._where)
        self.blocked = False


def _waits() -> tuple[Any, Any]:
    """Give the pauses after the broker was away, and the longer ones after it refused us, which only an operator can cure."""
    return pauses(FIRST_PAUSE_S, LONGEST_PAUSE_S), pauses(FIRST_REFUSED_PAUSE_S, LONGEST_REFUSED_PAUSE_S)


async def _close(connection: AsyncioConnection, closed: asyncio.Future[Exception]) -> None:
    if not (connection.is_closed or connection.is_closing):
        connection.close()
    await asyncio.wait((closed,), timeout=CLOSE_LIMIT_S)


def _translated(reason: Exception) -> BrokerUnavailable | ConfigurationError:
    refused = isinstance(reason, REFUSALS) or (
        isinstance(reason, AMQPConnectionWorkflowFailed) and isinstance(reason.exceptions[-1], AMQPConnectorTransportSetupError)
    )
    return ConfigurationError(repr(reason)) if refused else BrokerUnavailable(repr(reason))
