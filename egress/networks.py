"""Which IP addresses may be reached: those of the internet, and what the operator has opened beyond."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from dispatch.errors import ConfigurationError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Listed here and not asked of `ipaddress`, whose `is_global` differs between the versions of Python that this runs on.

CLOSED_V4 = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carriers' networks, and one cloud's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # another cloud's host, a public address only by its looks
        "169.254.0.0/16",  # link-local, and most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments, and one more cloud's metadata
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
"""IANA's IPv4 Special-Purpose Address Registry, multicast, and what clouds have made special."""

GLOBAL_V6 = IPv6Network("2000::/3")
"""All that IANA gives out of IPv6; what is outside is loopback, local, multicast or reserved."""

CLOSED_V6 = tuple(
    IPv6Network(each)
    for each in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: any IPv4 address may be inside
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)

MAPPED = IPv6Network("::ffff:0:0/96")
NAT64 = IPv6Network("64:ff9b::/96")
"""Both stand for the IPv4 address in their last 32 bits, and so for no more than that."""


@dataclass(frozen=True, slots=True)
class Networks:
    """What may be reached: the internet, and the networks in `opened`."""

    opened: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Networks:
        """Read networks that the operator opens, as "10.20.0.0/16".

        Raises:
            ConfigurationError: one is not a network.
        """
        opened = []
        for text in texts:
            try:
                opened.append(ipaddress.ip_network(text))
            except ValueError as error:
                raise ConfigurationError(f"--internal-networks: {text!r} is not a network such as 10.20.0.0/16") from error
        return cls(tuple(opened))

    def open_to(self, address: Address) -> bool:
        """Say whether an address may be reached."""
        address = _meant(address)
        if any(address in network for network in self.opened):
            return True
        if isinstance(address, IPv4Address):
            return not any(address in network for network in CLOSED_V4)
        return address in GLOBAL_V6 and not any(address in network for network in CLOSED_V6)


def _meant(address: Address) -> Address:
    """Give the address that is reached in the end."""
    if isinstance(address, IPv6Address) and (address in MAPPED or address in NAT64):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
