"""Names to IP addresses."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from egress.errors import Unreachable
from egress.networks import Address

LOOKUPS_AT_ONCE = 8


class Resolver(Protocol):
    """Looks names up."""

    async def resolve(self, host: str) -> Sequence[Address]:
        """Give the addresses of a host, the best first; at least one. Of an IP address, itself.

        Raises:
            Unreachable: there are none, or they cannot be told now.
        """


class SystemResolver:
    """Asks the system, in threads of its own: a name server that does not answer holds up no one else's work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, "resolve")

    async def resolve(self, host: str) -> Sequence[Address]:
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host)
        except OSError as error:
            raise Unreachable(f"{host} has no address, or none that can be found now") from error
        return found

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str) -> Sequence[Address]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(str(address[0]).partition("%")[0]) for *_, address in found]
