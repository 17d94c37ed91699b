"""Real servers of https on loopback, a list that allows them, and a name server that says what a test wants."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias

import pytest

from dispatch.uri import read_uri
from egress.allowed import Allowed
from egress.exchange import Exchange
from egress.fetch import Fetcher
from egress.networks import Address, Networks
from egress.options import EgressOptions
from harness.https import Authority, Host, serving

LOOPBACK = Networks.parse(["127.0.0.1/32"])


class Names:
    """A name server: each host has answers, one for each time that it is asked; the last one stays."""

    def __init__(self, **hosts: Sequence[Sequence[str]]) -> None:
        self.asked: list[str] = []
        self._answers = {host.replace("_", "."): list(answers) for host, answers in hosts.items()}

    async def resolve(self, host: str) -> Sequence[Address]:
        self.asked.append(host)
        answers = self._answers.get(host, [["127.0.0.1"]])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [ipaddress.ip_address(each) for each in answer]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
async def host(authority: Authority) -> AsyncIterator[Host]:
    async with serving(authority.server("localhost", "pictures.test", "127.0.0.1")) as host:
        yield host


Making: TypeAlias = Callable[..., Fetcher]


@pytest.fixture
def fetcher(authority: Authority) -> Making:
    """Make what fetches from some hosts, at what `names` says, where `networks` are open."""

    def make(*allowed: str, names: Names | None = None, networks: Networks = LOOPBACK, **limits: Any) -> Fetcher:
        listed = Allowed.parse("--fetch-from", allowed)
        tls = EgressOptions(ca=authority.ca).tls()
        return Fetcher(Exchange(allowed=listed, networks=networks, resolver=names or Names(), tls=tls, **limits))

    return make


async def fetched(fetcher: Fetcher, url: str, *, max_bytes: int = 1_000_000) -> bytes:
    """Fetch all of it."""
    async with aclosing(fetcher.fetch(read_uri(url), max_bytes=max_bytes)) as chunks:
        return b"".join([chunk async for chunk in chunks])
