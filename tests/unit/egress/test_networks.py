"""Which IP addresses may be reached."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.errors import ConfigurationError
from egress.networks import CLOSED_V4, Networks

CLOSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::5efe:127.0.0.1",
    "fec0::1",
    "ff02::1",
]
OPEN = ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::200e", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]


@pytest.mark.parametrize("address", CLOSED)
def test_what_is_not_the_internet_is_closed(address: str) -> None:
    assert not Networks().open_to(ip_address(address))


@pytest.mark.parametrize("address", OPEN)
def test_the_internet_is_open(address: str) -> None:
    assert Networks().open_to(ip_address(address))


@given(st.sampled_from(CLOSED_V4), st.data())
def test_what_is_closed_is_so_in_whatever_clothes(network: object, data: st.DataObject) -> None:
    inside = ip_network(str(network))
    number = data.draw(st.integers(int(inside.network_address), int(inside.broadcast_address)))
    for prefix in ("::ffff:0:0", "64:ff9b::", "::", "fe80::5efe:0:0"):
        assert not Networks().open_to(ip_address(int(ip_address(prefix)) + number))


def test_an_operator_opens_networks_and_no_others() -> None:
    networks = Networks.parse(["10.20.0.0/16", "fd12:3456::/32"])
    for address in ("10.20.0.1", "::ffff:10.20.255.255", "fd12:3456::1", "1.1.1.1"):
        assert networks.open_to(ip_address(address))
    for address in ("10.21.0.1", "169.254.169.254", "fd12:3457::1", "127.0.0.1"):
        assert not networks.open_to(ip_address(address))


@pytest.mark.parametrize("text", ["10.20.0.1/16", "example.com", "10.0.0.0/33", "all"])
def test_what_is_no_network_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--internal-networks: .* is not a network"):
        Networks.parse([text])
