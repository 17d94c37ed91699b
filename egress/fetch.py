"""Fetching what is at an address: from its host, over redirects that stay on the list, or from a bucket."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urljoin

from dispatch.uri import HttpsUri, MalformedUri, S3Uri, Uri, read_https_uri
from egress.bucket import read_object
from egress.errors import Forbidden, NotThere, TooLarge, Unreachable
from egress.exchange import Exchange, Request, Response

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
DENIED = frozenset({401, 403, 407, 451})
MISSING = frozenset({404, 410})
PASSING = frozenset({408, 425, 429})
"""Refusals that may be over soon, as all from 500 on."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches what its exchange lets it."""

    exchange: Exchange

    async def fetch(self, uri: Uri, *, max_bytes: int) -> AsyncGenerator[bytes, None]:
        """Yield what is there, from the beginning to the end.

        Raises:
            Forbidden: it is not on the list, its address must not be reached, or the other side denies it.
            NotThere: there is nothing.
            TooLarge: there are more bytes; so many have been yielded.
            Unreachable: no answer, or none that could be used.
        """
        received = 0
        async with aclosing(self._chunks(uri, max_bytes)) as chunks:
            async for chunk in chunks:
                received += len(chunk)
                if received > max_bytes:
                    raise _too_large(uri, max_bytes)
                yield chunk

    async def _chunks(self, uri: Uri, max_bytes: int) -> AsyncGenerator[bytes, None]:
        if isinstance(uri, S3Uri):
            async with aclosing(read_object(self.exchange.allowed.bucket_of(uri), uri)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        async with self._found(uri) as response:
            _check(uri, response)
            if (length := response.header("content-length")).isdecimal() and int(length) > max_bytes:  # only spares the way
                raise _too_large(uri, max_bytes)
            async with aclosing(response.body()) as chunks:
                async for chunk in chunks:
                    yield chunk

    @asynccontextmanager
    async def _found(self, uri: HttpsUri) -> AsyncIterator[Response]:
        """Follow redirects, each of which is held against the list and looked up as the first address was."""
        at = uri
        for _ in range(MAX_REDIRECTS + 1):
            async with self.exchange(Request("GET", at)) as response:
                if response.status not in REDIRECTS:
                    yield response
                    return
                at = _next(at, response.header("location"))
        raise Unreachable(f"{uri.origin} redirects more than {MAX_REDIRECTS} times", lasting=True)


def _next(at: HttpsUri, location: str) -> HttpsUri:
    try:
        return read_https_uri(urljoin(f"{at.origin}{at.target}", location))
    except (MalformedUri, ValueError) as error:
        raise Forbidden(f"{at.origin} redirects to something that is not fetched") from error


def _check(uri: HttpsUri, response: Response) -> None:
    said = f"{uri.origin} answers {response.status}"
    if response.status in DENIED:
        raise Forbidden(said)
    if response.status in MISSING:
        raise NotThere(said)
    if response.status != 200:
        raise Unreachable(said, lasting=response.status < 500 and response.status not in PASSING)
    if response.header("content-encoding") not in ("", "identity"):
        raise Unreachable(f"{uri.origin} answers in an encoding that was not asked for", lasting=True)


def _too_large(uri: Uri, max_bytes: int) -> TooLarge:
    return TooLarge(f"what is at {uri.origin} has more than the {max_bytes:,} bytes that are taken")
