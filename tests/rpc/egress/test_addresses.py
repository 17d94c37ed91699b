"""What an address leads to is checked, and nothing but what was checked is connected to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from egress.errors import Forbidden, Unreachable
from egress.fetch import Fetcher
from egress.networks import Networks
from egress.resolver import SystemResolver
from harness.https import Authority, Host, ok, redirect, serving
from tests.rpc.egress.conftest import Names, fetched

Making = Callable[..., Fetcher]


async def test_what_is_at_an_allowed_address_is_fetched(host: Host, fetcher: Making) -> None:
    host.answers["/cat.jpg"] = ok(b"a cat")
    assert await fetched(fetcher(host.url("")), host.url("/cat.jpg?size=2&size=3")) == b"a cat"
    (asked,) = host.asked
    assert asked.line == "GET /cat.jpg?size=2&size=3 HTTP/1.1"
    assert asked.headers["host"] == f"localhost:{host.port}"
    assert asked.headers["accept-encoding"] == "identity"
    assert not {"authorization", "cookie", "referer"} & asked.headers.keys()


async def test_a_host_that_is_not_on_the_list_is_neither_looked_up_nor_connected_to(host: Host, fetcher: Making) -> None:
    names = Names()
    for listed in ((), ("https://localhost",), (f"https://*.localhost:{host.port}",), (f"https://xlocalhost:{host.port}",)):
        with pytest.raises(Forbidden, match="not among the addresses"):
            await fetched(fetcher(*listed, names=names), host.url("/"))
    assert not names.asked
    assert not host.connections


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fd00:ec2::254"],
)
async def test_a_name_that_leads_inside_is_not_connected_to(host: Host, fetcher: Making, address: str) -> None:
    closed = fetcher(f"https://pictures.test:{host.port}", names=Names(pictures_test=[[address]]), networks=Networks())
    with pytest.raises(Forbidden, match="no address that may be reached") as refusal:
        await fetched(closed, host.url("/", "pictures.test"))
    assert address not in str(refusal.value), "what is inside is not told outside"
    assert not host.connections


async def test_an_ip_address_for_a_host_is_held_against_the_same_rules(host: Host, fetcher: Making) -> None:
    host.answers["/"] = ok(b"inside")
    allowed, resolver = host.url("", "127.0.0.1"), SystemResolver()
    assert await fetched(fetcher(allowed, names=resolver), host.url("/", "127.0.0.1")) == b"inside"
    with pytest.raises(Forbidden, match="may be reached"):
        await fetched(fetcher(allowed, names=resolver, networks=Networks()), host.url("/", "127.0.0.1"))
    resolver.close()


async def test_a_name_server_that_changes_its_mind_is_not_asked_again(authority: Authority, host: Host, fetcher: Making) -> None:
    """DNS rebinding: the first answer is the one that was checked, and the one that is connected to."""
    host.answers["/"] = ok(b"outside")
    good_then_bad = Names(pictures_test=[["127.0.0.1"], ["127.0.0.2"]])
    bad_then_good = Names(pictures_test=[["127.0.0.2"], ["127.0.0.1"]])
    allowed, url = f"https://pictures.test:{host.port}", host.url("/", "pictures.test")
    assert await fetched(fetcher(allowed, names=good_then_bad), url) == b"outside"
    with pytest.raises(Forbidden):
        await fetched(fetcher(allowed, names=bad_then_good), url)
    assert good_then_bad.asked == bad_then_good.asked == ["pictures.test"]
    assert host.connections == 1


async def test_of_several_addresses_only_those_that_may_be_reached_are_tried(host: Host, fetcher: Making) -> None:
    host.answers["/"] = ok(b"outside")
    names = Names(pictures_test=[["10.0.0.1", "::1", "127.0.0.1"]])
    assert await fetched(fetcher(host.url("", "pictures.test"), names=names), host.url("/", "pictures.test")) == b"outside"


async def test_an_address_that_does_not_answer_makes_room_for_the_next(host: Host, fetcher: Making) -> None:
    host.answers["/"] = ok(b"the second")
    names = Names(pictures_test=[["127.0.0.2", "127.0.0.1"]])
    both = fetcher(host.url("", "pictures.test"), names=names, networks=Networks.parse(["127.0.0.0/8"]))
    assert await fetched(both, host.url("/", "pictures.test")) == b"the second"


@pytest.mark.parametrize(
    "location",
    [
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:169.254.169.254]/",
        "https://inside.test/",
        "http://localhost/",
        "file:///etc/passwd",
        "s3://bucket/key",
        "https://user:password@localhost/",
        "//169.254.169.254/",
        "https://0x7f.1/",
        "",
        "https://localhost:port/",
    ],
)
async def test_a_redirect_off_the_list_is_not_followed(host: Host, fetcher: Making, location: str) -> None:
    host.answers["/"] = redirect(location)
    names = Names(inside_test=[["10.0.0.1"]])
    listed = (host.url(""), "https://inside.test") if location != "" else (host.url(""),)
    with pytest.raises((Forbidden, Unreachable)):
        await fetched(fetcher(*listed, names=names), host.url("/"))
    assert not {"169.254.169.254"} & set(names.asked)


async def test_a_redirect_to_metadata_is_refused_even_by_a_careless_list(host: Host, fetcher: Making) -> None:
    host.answers["/"] = redirect("https://169.254.169.254/")
    resolver = SystemResolver()
    with pytest.raises(Forbidden, match="no address that may be reached"):
        await fetched(fetcher(host.url(""), "https://169.254.169.254", names=resolver), host.url("/"))
    resolver.close()


async def test_redirects_on_the_list_are_followed_and_each_is_looked_up_anew(host: Host, fetcher: Making) -> None:
    names = Names(pictures_test=[["127.0.0.1"], ["10.0.0.1"]])
    allowing = fetcher(host.url(""), host.url("", "pictures.test"), names=names)
    host.answers["/"] = redirect(host.url("/there", "pictures.test"))
    host.answers["/there"] = ok(b"here it is")
    assert await fetched(allowing, host.url("/")) == b"here it is"
    with pytest.raises(Forbidden, match=r"pictures\.test"):
        await fetched(allowing, host.url("/"))
    assert names.asked == ["localhost", "pictures.test"] * 2


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_redirects_come_to_an_end(host: Host, fetcher: Making, status: str) -> None:
    for number in range(6):
        host.answers[f"/{number}"] = redirect(f"/{number + 1}", status)
    host.answers["/6"] = ok(b"too far")
    assert await fetched(fetcher(host.url("")), host.url("/1")) == b"too far"
    with pytest.raises(Unreachable, match="more than 5 times") as failure:
        await fetched(fetcher(host.url("")), host.url("/0"))
    assert failure.value.lasting


async def test_proxies_and_credentials_of_the_environment_are_not_used(
    host: Host, fetcher: Making, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with serving(None) as trap:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setitem(os.environ, name, f"http://127.0.0.1:{trap.port}")
        (tmp_path / ".netrc").write_text("machine localhost login me password secret")
        monkeypatch.setenv("HOME", str(tmp_path))
        host.answers["/"] = ok(b"direct")
        assert await fetched(fetcher(host.url("")), host.url("/")) == b"direct"
        assert not trap.connections
        assert "authorization" not in host.asked[0].headers


@pytest.mark.parametrize("names", [("elsewhere.test",), ("127.0.0.1",)], ids=["another's", "the address's"])
async def test_a_certificate_of_another_name_is_not_taken(authority: Authority, fetcher: Making, names: tuple[str, ...]) -> None:
    async with serving(authority.server(*names)) as host:
        with pytest.raises(Unreachable, match="certificate"):
            await fetched(fetcher(host.url("")), host.url("/"))
        assert not host.asked


async def test_a_certificate_that_is_over_or_of_a_stranger_is_not_taken(
    authority: Authority, fetcher: Making, tmp_path: Path
) -> None:
    for tls in (authority.server("localhost", expired=True), Authority(tmp_path, "stranger").server("localhost")):
        async with serving(tls) as host:
            with pytest.raises(Unreachable, match="certificate"):
                await fetched(fetcher(host.url("")), host.url("/"))
            assert not host.asked


async def test_a_server_without_tls_is_not_spoken_to(fetcher: Making) -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ok(b"in the open"))
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    with pytest.raises(Unreachable):
        await fetched(fetcher(url), f"{url}/")
    server.close()


async def test_a_port_where_nobody_listens_is_told(host: Host, fetcher: Making) -> None:
    closed = "https://localhost:1"
    with pytest.raises(Unreachable, match="does not take connections"):
        await fetched(fetcher(closed), f"{closed}/")


async def test_a_name_that_nobody_knows_is_told(fetcher: Making) -> None:
    resolver = SystemResolver()
    with pytest.raises(Unreachable, match="has no address"):
        await fetched(fetcher("https://no-such-host.invalid", names=resolver), "https://no-such-host.invalid/")
    resolver.close()
