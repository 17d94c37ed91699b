"""Where somebody listens."""

from __future__ import annotations

import pytest

from edge.address import Address
from edge.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("gateway:50051", Address("gateway", 50051)),
        ("[::1]:65535", Address("::1", 65535)),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: Address):
    assert Address.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "8080", ":8080", "host:", "host:http", "host:0", "host:65536", "::1:80", "[host]:80", "[::1]"]
)
def test_what_is_not_host_and_port_is_refused_and_named(text: str):
    with pytest.raises(ConfigurationError, match="HOST:PORT") as caught:
        Address.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_only_this_machine_reaches_loopback(host: str):
    assert Address(host, 1).loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "gateway", "localhost.example"])
def test_others_reach_everything_else(host: str):
    assert not Address(host, 1).loopback
