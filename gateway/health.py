"""Whether this gateway can serve: it has read the log to its end, its broker answers, and it is not stopping."""

from __future__ import annotations

import logging

from grpc_health.v1 import health, health_pb2

from dispatch.errors import BrokerUnavailable, ConfigurationError
from dispatch.ports import Broker
from gateway.errors import Unavailable
from gateway.store import Store

log = logging.getLogger(__name__)

ALIVE = "alive"
"""The service whose health means only that this process answers: one that does not is to be replaced."""


class Health:
    """The state behind grpc.health.v1, for the server as a whole ("") and for the named services."""

    def __init__(self, broker: Broker, store: Store, services: tuple[str, ...]) -> None:
        self.servicer = health.aio.HealthServicer()
        self._broker = broker
        self._store = store
        self._services = ("", *services)
        self._serving: bool | None = None
        self._stopping = False

    @property
    def serving(self) -> bool:
        """Whether it was last told that this gateway serves."""
        return self._serving is True

    def closed(self) -> Unavailable | None:
        """Tell why calls are refused now; None when they are not.

        Without a broker what is known is still told; calls that need it fail by themselves.
        """
        if self._stopping:
            return Unavailable("DRAINING", "this gateway is stopping")
        if not self._store.caught_up:
            return Unavailable("STARTING", "this gateway has not read the event log to its end yet")
        return None

    async def start(self) -> None:
        """Say from the first moment that the log has not been read; the servicer's own default is SERVING."""
        await self.servicer.set(ALIVE, health_pb2.HealthCheckResponse.SERVING)
        await self._tell(False)

    async def check(self) -> None:
        """Look at everything anew."""
        if not self._store.caught_up:
            await self._catch_up()
        await self._tell(self._store.caught_up and self._broker.available and not self._stopping)

    async def _catch_up(self) -> None:
        """Learn that the log has been read to its end: what is written now has been read back."""
        try:
            await self._store.journal.barrier()
        except (BrokerUnavailable, ConfigurationError) as error:
            log.info("still reading the event log: %s", error)
        else:
            self._store.caught_up = True
            log.info("the event log has been read: %d jobs", len(self._store.fold.jobs))

    async def stop(self) -> None:
        """Refuse what comes from now on."""
        self._stopping = True
        await self._tell(False)

    async def _tell(self, serving: bool) -> None:
        if serving is self._serving:
            return
        self._serving = serving
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in self._services:
            await self.servicer.set(service, status)
        log.info("health: %s", "SERVING" if serving else "NOT_SERVING")
