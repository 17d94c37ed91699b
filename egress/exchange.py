"""One request over one connection, to the very address that was checked.

A name is resolved once, each of its addresses is checked, and the connection is made to one that passed, by number: a name server
that gives another answer a moment later is not asked. Nothing is taken from the environment, no redirect is followed here,
nothing is decompressed, and no connection is kept.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import h11

from dispatch.uri import HttpsUri
from egress.allowed import Allowed
from egress.errors import Forbidden, Unreachable
from egress.networks import Address, Networks
from egress.resolver import Resolver

CONNECT_S = 10.0
"""For looking up, connecting and the TLS handshake together."""
SILENCE_S = 30.0
"""How long the other side may say nothing."""
READ_BYTES = 64 * 1024
MAX_HEAD_BYTES = 64 * 1024
USER_AGENT = "myeye"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. `headers` are beside those that every request has."""

    method: str
    uri: HttpsUri
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Response:
    """What was answered: status and headers; the body is read by whoever wants it, as far as they want it."""

    def __init__(self, head: h11.Response, wire: _Wire) -> None:
        self.status: int = head.status_code
        self._headers = {name.decode(): value.decode("latin-1") for name, value in reversed(list(head.headers))}
        self._wire = wire

    def header(self, name: str) -> str:
        """Give the first header of a name in lower case; empty if there is none."""
        return self._headers.get(name, "")

    async def body(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it comes, as it is.

        Raises:
            Unreachable: it broke off, or came too slowly.
        """
        while isinstance(event := await self._wire.receive(), h11.Data):
            yield bytes(event.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Makes requests to what is `allowed`, at addresses that `networks` are open to."""

    allowed: Allowed
    networks: Networks
    resolver: Resolver
    tls: ssl.SSLContext
    connect_s: float = CONNECT_S
    silence_s: float = SILENCE_S

    @asynccontextmanager
    async def __call__(self, request: Request) -> AsyncIterator[Response]:
        """Ask, and give the answer as soon as its headers are there. Leaving the context ends the connection.

        Raises:
            Forbidden: the host is not on the list, or its address must not be reached. Nothing was sent.
            Unreachable: no answer.
        """
        self.allowed.check_host(request.uri)
        wire = await self._connect(request.uri)
        try:
            yield await self._ask(wire, request)
        finally:
            wire.abort()

    async def _connect(self, uri: HttpsUri) -> _Wire:
        try:
            async with asyncio.timeout(self.connect_s):
                addresses = self._open(uri, await self.resolver.resolve(uri.host))
                return await self._first(uri, addresses)
        except TimeoutError as error:
            raise Unreachable(f"{uri.origin} did not take the connection in time") from error

    def _open(self, uri: HttpsUri, found: Sequence[Address]) -> Sequence[Address]:
        passed = [address for address in found if self.networks.open_to(address)]
        if not passed:
            raise Forbidden(f"{uri.origin} has no address that may be reached from here")
        return passed

    async def _first(self, uri: HttpsUri, addresses: Sequence[Address]) -> _Wire:
        """Connect to the first address that lets us."""
        for number, address in enumerate(addresses, start=1):
            try:
                reader, writer = await asyncio.open_connection(
                    str(address), uri.port, ssl=self.tls, server_hostname=uri.host, limit=READ_BYTES
                )
            except ssl.SSLCertVerificationError as error:
                raise Unreachable(f"{uri.origin} does not show a certificate that is valid for it") from error
            except OSError as error:  # ssl's other errors are among them
                if number == len(addresses):
                    raise Unreachable(f"{uri.origin} does not take connections") from error
            else:
                return _Wire(uri.origin, reader, writer, self.silence_s)
        raise AssertionError("there is at least one address")

    async def _ask(self, wire: _Wire, request: Request) -> Response:
        headers = [
            ("host", request.uri.authority),
            ("user-agent", USER_AGENT),
            ("accept", "*/*"),
            ("accept-encoding", "identity"),
            ("connection", "close"),
            *request.headers,
        ]
        if request.body:
            headers.append(("content-length", str(len(request.body))))
        await wire.send(h11.Request(method=request.method, target=request.uri.target, headers=headers))
        if request.body:
            await wire.send(h11.Data(data=request.body))
        await wire.send(h11.EndOfMessage())
        while not isinstance(event := await wire.receive(), h11.Response):
            if not isinstance(event, h11.InformationalResponse):
                raise Unreachable(f"{request.uri.origin} answers with something that is not HTTP")
        if event.status_code == 101:
            raise Unreachable(f"{request.uri.origin} answers with something that was not asked for")
        return Response(event, wire)


class _Wire:
    """A connection, with what HTTP makes of its bytes."""

    def __init__(self, origin: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silence_s: float) -> None:
        self._origin = origin
        self._reader = reader
        self._writer = writer
        self._silence_s = silence_s
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)

    async def send(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        if data := self._http.send(event):
            try:
                async with asyncio.timeout(self._silence_s):
                    self._writer.write(data)
                    await self._writer.drain()
            except (OSError, TimeoutError) as error:
                raise Unreachable(f"{self._origin} does not take what is sent") from error

    async def receive(self) -> h11.Event:
        """Give the next thing that the other side says."""
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                async with asyncio.timeout(self._silence_s):
                    self._http.receive_data(await self._reader.read(READ_BYTES))
        except TimeoutError as error:
            raise Unreachable(f"{self._origin} says nothing for {self._silence_s:g} s") from error
        except OSError as error:
            raise Unreachable(f"{self._origin} broke the connection off") from error
        except h11.RemoteProtocolError as error:
            raise Unreachable(f"{self._origin} broke off, or answers with something that is not HTTP") from error
        if event is h11.PAUSED:
            raise Unreachable(f"{self._origin} answers with something that was not asked for")
        assert not isinstance(event, type)
        return event

    def abort(self) -> None:
        """Let go at once: a peer that does not say goodbye is not waited for."""
        self._writer.transport.abort()
