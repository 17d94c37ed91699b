"""The edge's configuration."""

from __future__ import annotations

import pytest

from edge.address import Address
from edge.config import read_order
from edge.errors import ConfigurationError


def test_a_flag_beats_the_environment_and_the_environment_the_default():
    variable = {"MYEYE_EDGE_LISTEN": "127.0.0.1:1", "MYEYE_GATEWAYS": "one:1, two:2"}
    assert str(read_order([], {}).config.listen) == "127.0.0.1:8080"
    assert read_order([], {}).config.gateways == (Address("127.0.0.1", 50051),)
    assert str(read_order([], variable).config.listen) == "127.0.0.1:1"
    assert read_order([], variable).config.gateways == (Address("one", 1), Address("two", 2))
    given = read_order(["--listen", "127.0.0.1:2", "--gateway", "three:3", "--gateway", "four:4"], variable).config
    assert str(given.listen) == "127.0.0.1:2"
    assert given.gateways == (Address("three", 3), Address("four", 4))


def test_beyond_loopback_it_refuses_to_listen_unless_told_so():
    with pytest.raises(ConfigurationError, match="no authentication"):
        read_order(["--listen", "0.0.0.0:8080"], {})
    assert read_order(["--listen", "0.0.0.0:8080", "--insecure"], {}).config.insecure
    assert read_order(["--listen", "0.0.0.0:8080"], {"MYEYE_INSECURE": "1"}).config.insecure


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--gateway", "a:1", "--gateway", "a:1"), "each once"),
        (("--listen", "127.0.0.1:9", "--gateway", "127.0.0.1:9"), "call itself"),
        (("--gateway", "a"), "HOST:PORT"),
        (("--timeout", "0"), "--timeout"),
        (("--timeout", "soon"), "--timeout"),
        (("--idle", "-1"), "--idle"),
        (("--drain", "-1"), "--drain"),
        (("--max-body", "0"), "--max-body"),
        (("--max-body", str(2**32)), "--max-body"),
        (("--log-format", "xml"), "--log-format"),
        (("--unheard-of",), "--unheard-of"),
        (("--print", "--validate"), "--print"),
    ],
)
def test_what_cannot_be_used_is_refused_and_named(flags: tuple[str, ...], named: str):
    with pytest.raises(ConfigurationError, match=named):
        read_order(flags, {})


@pytest.mark.parametrize(
    "flags", [("--drain", "0"), ("--max-body", str(2**32 - 1)), ("--log-format", "json"), ("--timeout", "0.5")]
)
def test_the_ends_of_the_ranges_are_in_them(flags: tuple[str, ...]):
    read_order(flags, {})


def test_no_gateway_in_the_environment_is_the_default_and_only_commas_are_an_error():
    assert read_order([], {"MYEYE_GATEWAYS": ""}).config.gateways == (Address("127.0.0.1", 50051),)
    with pytest.raises(ConfigurationError, match="at least one"):
        read_order([], {"MYEYE_GATEWAYS": ", ,"})


@pytest.mark.parametrize(("flags", "task"), [((), "serve"), (("--print",), "print"), (("--validate",), "validate")])
def test_it_serves_unless_asked_for_something_else(flags: tuple[str, ...], task: str):
    assert read_order(flags, {}).task == task


def test_it_listens_on_an_ip_address_and_knows_which_localhost_is():
    assert str(read_order(["--listen", "localhost:81"], {}).config.listen) == "127.0.0.1:81"
    with pytest.raises(ConfigurationError, match="takes an IP address, not the name"):
        read_order(["--listen", "gateway.local:81", "--insecure"], {})
