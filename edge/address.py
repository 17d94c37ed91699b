"""Where somebody listens: a host and a port."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from edge.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Address:
    """A host's name or IP address, without brackets, and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read HOST:PORT; an IPv6 address stands in brackets.

        Raises:
            ConfigurationError: it is not one.
        """
        host, _, port = text.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        bracketed = host == f"[{bare}]"
        if not bare or not port.isdecimal() or not 0 < int(port) < 65536 or bracketed is not (":" in bare):
            raise ConfigurationError(f"an address is HOST:PORT, not {text!r}")
        return cls(bare, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def name(self) -> bool:
        """Whether the host is a name, to be looked up."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return True
        return False

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
