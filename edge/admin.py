"""What is asked of a running Envoy, over its admin socket."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

ACTIVE = "http.edge.downstream_rq_active"
ANSWER_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Admin:
    """A Unix socket that only this user can reach."""

    path: Path

    async def serving(self) -> bool:
        """Say whether it has started and listens."""
        try:
            return await self._ask("GET", "/ready") == "LIVE\n"
        except (FileNotFoundError, ConnectionError):  # it has not opened its socket yet, or is about to end
            return False

    async def drain(self) -> None:
        """Take no new connection, and ask those there are to close after the calls under way."""
        await self._ask("POST", "/healthcheck/fail")
        await self._ask("POST", "/drain_listeners")

    async def calls_under_way(self) -> int:
        """Count the calls that have not been answered, streams included."""
        told = await self._ask("GET", f"/stats?filter=^{ACTIVE}$")
        return int(told.rpartition(":")[2])

    async def _ask(self, method: str, target: str) -> str:
        return await asyncio.to_thread(_ask, self.path, method, target)


def _ask(path: Path, method: str, target: str) -> str:
    connection = _UnixConnection(path)
    try:
        connection.request(method, target)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("admin")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER_LIMIT_S)
        self.sock.connect(str(self._path))
