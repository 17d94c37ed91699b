"""The metrics' own HTTP face, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from dispatch.errors import ConfigurationError
from telemetry.endpoint import MAX_CALLS, MAX_HEAD_BYTES, check_address, serve_metrics
from telemetry.registry import new_registry


@pytest.fixture
async def port() -> AsyncIterator[int]:
    registry = CollectorRegistry()
    Counter("cats_total", "Cats.", registry=registry).inc(3)
    async with serve_metrics(registry, "127.0.0.1:0") as port:
        assert port
        yield port


async def ask(port: int, head: str) -> tuple[str, str]:
    """Send a request and give the status line and the body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode() + b"\r\n\r\n")
    answer = (await reader.read()).decode()
    writer.close()
    start, _, body = answer.partition("\r\n\r\n")
    return start.split("\r\n")[0], body


async def test_it_serves_the_metrics_as_prometheus_reads_them(port: int) -> None:
    status, body = await ask(port, "GET /metrics HTTP/1.1\r\nHost: x")
    assert status == "HTTP/1.1 200 OK"
    samples = {sample.name: sample.value for family in text_string_to_metric_families(body) for sample in family.samples}
    assert samples["cats_total"] == 3


async def test_it_speaks_openmetrics_to_who_prefers_it(port: int) -> None:
    _, body = await ask(port, "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text; version=1.0.0")
    assert body.endswith("# EOF\n")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET / HTTP/1.1", "404 Not Found"),
        ("GET /metrics/../secret HTTP/1.1", "404 Not Found"),
        ("POST /metrics HTTP/1.1", "405 Method Not Allowed"),
        ("nonsense", "404 Not Found"),
        ("GET /metrics HTTP/1.1\r\nX: " + "x" * MAX_HEAD_BYTES, "431 Request Header Fields Too Large"),
    ],
)
async def test_it_serves_nothing_else(port: int, head: str, status: str) -> None:
    assert (await ask(port, head))[0] == f"HTTP/1.1 {status}"


async def test_more_than_so_many_at_once_are_turned_away_and_it_goes_on_when_they_leave(port: int) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CALLS)]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await reader.read() == b""
    writer.close()
    for reader, writer in idle:
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
    assert (await ask(port, "GET /metrics HTTP/1.1"))[0] == "HTTP/1.1 200 OK"


async def test_without_an_address_nothing_is_served() -> None:
    async with serve_metrics(CollectorRegistry(), "") as port:
        assert port is None


async def test_an_address_that_is_taken_is_told(port: int) -> None:
    with pytest.raises(ConfigurationError, match=f"cannot serve metrics on 127.0.0.1:{port}"):
        async with serve_metrics(CollectorRegistry(), f"127.0.0.1:{port}"):
            pass


async def test_it_ends_with_a_client_that_says_nothing() -> None:
    async with serve_metrics(CollectorRegistry(), "127.0.0.1:0") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await ask(port or 0, "GET /metrics HTTP/1.1")  # by now the first is known too
    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("address", ["9100", ":9100", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536"])
def test_an_address_is_host_and_port(address: str) -> None:
    with pytest.raises(ConfigurationError, match="--metrics is HOST:PORT"):
        check_address("--metrics", address)


def test_every_process_tells_its_version_and_what_it_uses() -> None:
    names = {metric.name for metric in new_registry("gateway").collect()}
    assert {"myeye_build", "process_resident_memory_bytes", "process_open_fds", "python_info", "python_gc_collections"} <= names
