"""Whatever the other side answers, it takes neither more memory nor more time than it may, and is told in words of ours."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable

import pytest

from egress.errors import EgressError, Forbidden, NotThere, TooLarge, Unreachable
from egress.fetch import Fetcher
from harness.https import Host, ok, serving
from tests.rpc.egress.conftest import fetched

Making = Callable[..., Fetcher]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("status", "kind", "lasting"),
    [
        ("401 Unauthorized", Forbidden, None),
        ("403 Forbidden", Forbidden, None),
        ("404 Not Found", NotThere, None),
        ("410 Gone", NotThere, None),
        ("204 No Content", Unreachable, True),
        ("206 Partial Content", Unreachable, True),
        ("304 Not Modified", Unreachable, True),
        ("400 Bad Request", Unreachable, True),
        ("408 Request Timeout", Unreachable, False),
        ("429 Too Many Requests", Unreachable, False),
        ("500 Internal Server Error", Unreachable, False),
        ("503 Service Unavailable", Unreachable, False),
    ],
)
async def test_what_a_status_means(
    host: Host, fetcher: Making, status: str, kind: type[EgressError], lasting: bool | None
) -> None:
    host.answers["/secret"] = ok(b"", status=status)
    with pytest.raises(kind, match=f"answers {status[:3]}") as failure:
        await fetched(fetcher(host.url("")), host.url("/secret?signature=1"))
    assert getattr(failure.value, "lasting", None) is lasting
    assert "secret" not in str(failure.value)
    assert "signature" not in str(failure.value)


@pytest.mark.parametrize("announced", [True, False])
async def test_more_bytes_than_are_taken_are_not_read(host: Host, fetcher: Making, announced: bool) -> None:
    written = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" if announced else CHUNKED)
        while True:
            writer.write(b"x" * 65536 if announced else b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()
            written += 65536

    host.answers["/"] = endless
    with pytest.raises(TooLarge, match="more than the 100,000 bytes"):
        await fetched(fetcher(host.url("")), host.url("/"), max_bytes=100_000)
    assert written < 32_000_000, "no more than lies in the buffers between two processes"


async def test_exactly_as_many_bytes_as_are_taken_are_read(host: Host, fetcher: Making) -> None:
    host.answers["/"] = ok(b"x" * 1000)
    assert len(await fetched(fetcher(host.url("")), host.url("/"), max_bytes=1000)) == 1000
    with pytest.raises(TooLarge):
        await fetched(fetcher(host.url("")), host.url("/"), max_bytes=999)


async def test_a_bomb_is_not_unpacked(host: Host, fetcher: Making) -> None:
    host.answers["/"] = ok(gzip.compress(bytes(10_000_000)), "Content-Encoding: gzip")
    with pytest.raises(Unreachable, match="encoding that was not asked for"):
        await fetched(fetcher(host.url("")), host.url("/"))


async def test_silence_is_not_waited_out(host: Host, fetcher: Making) -> None:
    async def silent(writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"1\r\nx\r\n")
        await asyncio.Event().wait()

    host.answers["/"] = silent
    with pytest.raises(Unreachable, match=r"says nothing for 0\.1 s"):
        await fetched(fetcher(host.url(""), silence_s=0.1), host.url("/"))


async def test_a_drip_ends_with_the_patience_of_who_fetches(host: Host, fetcher: Making) -> None:
    left = asyncio.Event()

    async def drip(writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        finally:
            left.set()

    host.answers["/"] = drip
    fetching = asyncio.create_task(fetched(fetcher(host.url("")), host.url("/")))
    async with asyncio.timeout(20):
        await host.until_asked(1)
        fetching.cancel()
        await left.wait()


async def test_a_handshake_that_never_ends_is_not_waited_out(fetcher: Making) -> None:
    async with serving(None) as host:
        with pytest.raises(Unreachable, match="in time"):
            await fetched(fetcher(host.url(""), connect_s=0.2), host.url("/"))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbroken off",
        CHUNKED + b"5\r\nhel",
        CHUNKED + b"zz\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000,
    ],
    ids=["length", "chunk", "chunk size", "other protocol", "nothing", "upgrade", "two lengths", "endless head"],
)
async def test_what_is_no_whole_answer_is_none(host: Host, fetcher: Making, answer: bytes) -> None:
    host.answers["/"] = answer
    with pytest.raises(Unreachable):
        await fetched(fetcher(host.url("")), host.url("/"))


async def test_an_answer_of_unknown_length_ends_with_the_connection(host: Host, fetcher: Making) -> None:
    host.answers["/"] = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 200 OK\r\n\r\nall of it"
    assert await fetched(fetcher(host.url("")), host.url("/")) == b"all of it"
