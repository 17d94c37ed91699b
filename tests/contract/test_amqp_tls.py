"""RabbitMQ behind TLS that asks for certificates: who gets through, and with which certificate after it has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatch.amqp.address import parameters_of
from dispatch.amqp.tls import split_tls
from dispatch.connect import connect
from dispatch.errors import BrokerUnavailable, ConfigurationError
from dispatch.options import BrokerOptions
from dispatch.ports import Lane, Queue
from harness.ports import free_port
from harness.rabbit import RabbitNode
from tests.certificates import Authority, Pair

LIMIT_S = 60.0
OPTIONS = BrokerOptions(name="tls")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, authority: Authority, rabbit_home: Path | None) -> Iterator[str]:
    """The address of a node that asks for certificates, without any."""
    server, port = authority.issue("rabbit"), free_port()
    settings = {
        "listeners.ssl.1": f"127.0.0.1:{port}",
        "ssl_options.cacertfile": str(authority.ca),
        "ssl_options.certfile": str(server.certificate),
        "ssl_options.keyfile": str(server.key),
        "ssl_options.verify": "verify_peer",
        "ssl_options.fail_if_no_peer_cert": "true",
    }
    with RabbitNode(tmp_path_factory.mktemp("rabbit-tls"), server=rabbit_home, settings=settings):
        yield f"amqps://guest:guest@127.0.0.1:{port}/%2F"


def query(ca: Path, pair: Pair | None = None) -> str:
    shown = f"&certfile={pair.certificate}&keyfile={pair.key}" if pair else ""
    return f"?cacertfile={ca}{shown}"


async def until_available(broker: Any) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not broker.available:  # noqa: ASYNC110 - a broker tells only who asks
            await asyncio.sleep(0.05)


async def test_who_shows_a_certificate_gets_through_and_with_the_new_one_after_it_has_changed(address, authority, tmp_path):
    own = authority.issue("worker")
    broker = await connect(address + query(authority.ca, own), OPTIONS)
    try:
        await until_available(broker)
        await broker.tasks.publish(Queue("model", Lane.NORMAL), b"task")
        own.certificate.write_text("changed, and no good")
        context = broker._consuming._parameters.ssl_options
        authority.issue("worker")
        connection = await broker._consuming.connection()
        connection.close()
        async with asyncio.timeout(LIMIT_S):
            while broker._consuming._parameters.ssl_options is context:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        await until_available(broker)
    finally:
        await broker.close()


@pytest.mark.parametrize("lacking", ["certificate", "authority", "name"])
async def test_who_lacks_something_does_not(address, authority, tmp_path, lacking):
    own, other = authority.issue("worker"), Authority(tmp_path / "other")
    urls = {
        "certificate": address + query(authority.ca),
        "authority": address + query(other.ca, own),
        "name": address + query(authority.ca, own) + "&server_name_indication=another.test",
    }
    broker = await connect(urls[lacking], OPTIONS)
    try:
        assert not broker.available
        with pytest.raises((BrokerUnavailable, ConfigurationError)):
            await broker.tasks.publish(Queue("model", Lane.NORMAL), b"task")
    finally:
        await broker.close()


@pytest.mark.parametrize(
    "wrong",
    [
        "amqp://host/?cacertfile=/ca",
        "amqps://host/?verify=verify_none",
        "amqps://host/?certfile=/c",
        "amqps://host/?cacertfile=/no/such/file",
        "amqps://host/?unknown=1",
    ],
)
def test_an_address_that_would_not_be_safe_is_refused(wrong):
    with pytest.raises(ConfigurationError):
        parameters_of(wrong, OPTIONS)


def test_what_pika_knows_stays_in_the_address():
    url, tls = split_tls("amqps://user:pass%2Fword@host:1/v%2Fhost?heartbeat=5&cacertfile=/ca&server_name_indication=rabbit")
    assert url == "amqps://user:pass%2Fword@host:1/v%2Fhost?heartbeat=5"
    assert tls is not None
    assert (tls.host, tls.ca, tls.name) == ("host", "/ca", "rabbit")
