"""The metrics over HTTP, for Prometheus to fetch: GET /metrics and nothing else.

The loop of the process itself answers: so all is read at one moment, and a process that does not get to answer is in trouble.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from dispatch.errors import ConfigurationError

log = logging.getLogger(__name__)

PATH = "/metrics"
MAX_HEAD_BYTES = 16 * 1024
CALL_LIMIT_S = 10.0
"""For a request to come and its answer to be taken."""
MAX_CALLS = 16
"""Under way at once; Prometheus and a curious person need two."""


@asynccontextmanager
async def serve_metrics(registry: CollectorRegistry, address: str) -> AsyncIterator[int | None]:
    """Serve at "HOST:PORT" while the context lasts; the value is the port, None for an empty address: then nothing is served.

    Raises:
        ConfigurationError: the address cannot be used.
    """
    if not address:
        yield None
        return
    endpoint = _Endpoint(registry)
    server = await _listen(endpoint, address)
    try:
        port: int = server.sockets[0].getsockname()[1]
        log.info("metrics at http://%s:%d%s", address.rpartition(":")[0], port, PATH)
        yield port
    finally:
        server.close()
        endpoint.close()
        await server.wait_closed()


def check_address(flag: str, address: str) -> None:
    """Check what was given for an endpoint's address.

    Raises:
        ConfigurationError: it is neither empty nor HOST:PORT.
    """
    host, colon, port = address.rpartition(":")
    if address and not (colon and host and port.isdigit() and int(port) < 65536):
        raise ConfigurationError(f"{flag} is HOST:PORT, not {address!r}")


async def _listen(endpoint: _Endpoint, address: str) -> asyncio.Server:
    host, _, port = address.rpartition(":")
    try:
        return await asyncio.start_server(endpoint.answer, host.strip("[]"), int(port), limit=MAX_HEAD_BYTES)
    except OSError as error:
        raise ConfigurationError(f"cannot serve metrics on {address}: {error.strerror}") from error


class _Endpoint:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._open: set[asyncio.StreamWriter] = set()

    def close(self) -> None:
        """End what is under way."""
        for writer in self._open:
            writer.transport.abort()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and end the connection."""
        if len(self._open) >= MAX_CALLS:
            writer.transport.abort()
            return
        self._open.add(writer)
        try:
            async with asyncio.timeout(CALL_LIMIT_S):
                writer.write(await self._reply(reader))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # it has left, or is not worth waiting for
        finally:
            self._open.discard(writer)
            writer.close()

    async def _reply(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.LimitOverrunError:
            return _response("431 Request Header Fields Too Large", b"")
        method, _, target = head[0].rpartition(" ")[0].partition(" ")
        if target.partition("?")[0] != PATH:
            return _response("404 Not Found", f"there is only {PATH} here\n".encode())
        if method != "GET":
            return _response("405 Method Not Allowed", b"", allow="GET")
        encode, content_type = choose_encoder(_accepted(head[1:]))
        return _response("200 OK", encode(self._registry), content_type=content_type)


def _accepted(headers: list[str]) -> str:
    fields = (header.partition(":") for header in headers)
    return ",".join(value.strip() for name, _, value in fields if name.lower() == "accept")


def _response(status: str, body: bytes, *, content_type: str = "text/plain; charset=utf-8", allow: str = "") -> bytes:
    more = f"Allow: {allow}\r\n" if allow else ""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{more}Connection: close\r\n\r\n"
    return head.encode() + body
