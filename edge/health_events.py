"""What Envoy's health checks find, as one line of the log whenever a gateway comes or goes.

Envoy writes an object of some 300 characters for each. It writes into a pipe of ours, for nobody reads that.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path

log = logging.getLogger("edge")

STDOUT = "/dev/stdout"
"""Where an Envoy without us writes them, as they are."""


class HealthEvents:
    """A pipe with a name, which Envoy opens as the file that it writes to."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "health-events"
        os.mkfifo(self.path, mode=0o600)
        # for writing too: so it has no end while Envoy has not opened it yet, and Envoy need not wait for who reads
        self._pipe = os.fdopen(os.open(self.path, os.O_RDWR | os.O_NONBLOCK), "rb", buffering=0)

    async def tell(self) -> None:
        """Log what comes, for ever."""
        events = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(events), self._pipe
        )
        try:
            async for line in events:
                log_event(line)
        finally:
            transport.close()


def log_event(line: bytes) -> None:
    """Log an event of Envoy's; of one that cannot be read, the line."""
    try:
        event = json.loads(line)
        at = event["host"]["socket_address"]
        gateway = f"{at['address']}:{at['port_value']}"
    except (ValueError, LookupError, TypeError):
        log.warning("a health check says: %r", line)
        return
    if "add_healthy_event" in event:
        log.info("gateway %s is healthy", gateway)
    elif "eject_unhealthy_event" in event:
        log.warning("gateway %s is not healthy any more: %s", gateway, _cause(event["eject_unhealthy_event"]))
    elif "health_check_failure_event" in event:
        log.warning("gateway %s is not healthy yet: %s", gateway, _cause(event["health_check_failure_event"]))
    else:
        log.warning("a health check says: %r", line)


def _cause(told: dict[str, str]) -> str:
    """Name Envoy's cause: NETWORK, NETWORK_TIMEOUT, or ACTIVE, left out as the default, for a gateway that says so itself."""
    return told.get("failure_type", "ACTIVE")
