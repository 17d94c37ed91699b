"""The public keys by which web tokens are verified (a JWKS, RFC 7517): of a file, or of an https address.

They are asked for again every few minutes, and at once when a token names a key that is not there: so an issuer can change its
keys. That is limited, or anybody could have this process ask as often as they like.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import jwt

from dispatch.errors import ConfigurationError
from gateway.errors import Unavailable

log = logging.getLogger(__name__)

REFRESH_S = 300.0
UNKNOWN_PAUSE_S = 10.0
STALE_S = 86_400.0
"""Keys that could not be asked for again for so long are good no more: they may have been withdrawn."""
FETCH_LIMIT_S = 10.0
SOCKET_LIMIT_S = 5.0
MAX_BYTES = 1024 * 1024

Key = Mapping[str, Any]


class KeySet:
    """The keys. `version` changes with them."""

    def __init__(self, source: str) -> None:
        """Read a file, or note an address, which is asked when it is needed.

        Raises:
            ConfigurationError: the file cannot be read, or the address is not https.
        """
        self.version = 0
        self._keys: Sequence[Key] = ()
        self._made: dict[tuple[int, str], jwt.PyJWK] = {}
        self._read_s: float | None = None
        self._asked_s: float | None = None
        self._asking = asyncio.Lock()
        self._url = source if "://" in source else ""
        self._path = Path(source)
        if self._url and (urlsplit(source).scheme != "https" or not urlsplit(source).hostname):
            raise ConfigurationError("--jwks is a file or an https address: whoever can change it on its way can be anybody")
        if not self._url:
            self._stat = self._path.stat() if self._path.exists() else None
            self._take(self._read_file())

    async def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """Give the key of this id for this algorithm; without an id the only key there is. None: there is no such key.

        Raises:
            Unavailable: the keys could not be had yet.
        """
        if not self._url:
            self._look_at_file()
        elif self._find(kid, algorithm) is None:
            await self._ask(UNKNOWN_PAUSE_S)
        if self._read_s is None or (self._url and time.monotonic() - self._read_s > STALE_S):
            raise Unavailable("KEYS_UNAVAILABLE", "the keys of the tokens' issuer cannot be had now")
        return self._find(kid, algorithm)

    async def follow(self) -> None:
        """Ask for the keys of an address again and again."""
        while self._url:
            await self._ask(REFRESH_S / 2)
            await asyncio.sleep(REFRESH_S if self._read_s is not None else UNKNOWN_PAUSE_S)

    def _find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        if kid is None and len(self._keys) != 1:
            return None
        for index, key in enumerate(self._keys):
            if (kid is None or key.get("kid") == kid) and key.get("alg", algorithm) == algorithm:
                return self._make(index, key, algorithm)
        return None

    def _make(self, index: int, key: Key, algorithm: str) -> jwt.PyJWK | None:
        """Make a key for exactly this algorithm, if it is of that kind."""
        if (index, algorithm) not in self._made:
            try:
                self._made[index, algorithm] = jwt.PyJWK(dict(key), algorithm)
            except jwt.PyJWTError as error:
                log.warning("a key of the tokens' issuer cannot be used: %s", type(error).__name__)
                return None
        return self._made[index, algorithm]

    async def _ask(self, pause_s: float) -> None:
        """Ask for the keys, unless that was done less than so long ago, or was done while this waited for its turn."""
        version = self.version
        async with self._asking:
            now = time.monotonic()
            if version != self.version or (self._asked_s is not None and now - self._asked_s < pause_s):
                return
            self._asked_s = now
            try:
                async with asyncio.timeout(FETCH_LIMIT_S):
                    self._take(await asyncio.to_thread(_fetch, self._url))
            except (OSError, HTTPException, ValueError) as error:
                log.warning("the keys of the tokens' issuer could not be had: %s", error or type(error).__name__)

    def _look_at_file(self) -> None:
        try:
            stat = self._path.stat()
            if self._stat and (stat.st_mtime_ns, stat.st_ino, stat.st_size) == (
                self._stat.st_mtime_ns,
                self._stat.st_ino,
                self._stat.st_size,
            ):
                return
            self._stat = stat
            self._take(self._read_file())
        except (OSError, ConfigurationError) as error:
            log.error("the keys stay as they were: %s", error)

    def _read_file(self) -> Sequence[Key]:
        try:
            return read_keys(self._path.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"--jwks: {error}") from error

    def _take(self, keys: Sequence[Key]) -> None:
        self._read_s = time.monotonic()
        if keys != self._keys:
            self._keys, self._made, self.version = keys, {}, self.version + 1
            log.info("the keys of the tokens' issuer have been read: %d", len(keys))


def read_keys(body: bytes) -> Sequence[Key]:
    """Read a JWKS, all but keys that are secrets, or are not for signatures.

    Raises:
        ValueError: it is none, or nothing in it can be used.
    """
    read = json.loads(body)
    listed = read.get("keys") if isinstance(read, dict) else None
    if not isinstance(listed, list):
        raise ValueError("it is no JWKS")
    keys = [key for key in listed if isinstance(key, dict) and key.get("kty") != "oct" and key.get("use", "sig") == "sig"]
    if not keys:
        raise ValueError("there are no public keys for signatures in it")
    return keys


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def _fetch(url: str) -> Sequence[Key]:
    request = Request(url, headers={"accept": "application/json"})  # noqa: S310 - it was checked to be https
    with build_opener(_NoRedirects).open(request, timeout=SOCKET_LIMIT_S) as answer:
        body: bytes = answer.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise ValueError("it is too large")
    return read_keys(body)
