"""A file of tokens, by their hashes: who may read it can call as nobody.

A line is `name:role:sha256`, or `name:role:sha256:date` of a token that is good until that day begins, in UTC. The role is
"user" or "admin". A name may have several tokens, so that a new one can be handed out before the old one is taken away.

The hash is a plain SHA-256, and that is enough: a token is 256 random bits, not a password, so there is nothing to guess faster
or slower, and no two are alike for a salt to tell apart. A slow hash would only let strangers have this process work for them.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from dispatch.errors import ConfigurationError
from gateway.errors import Unauthenticated
from gateway.identity.grant import Grant
from gateway.identity.principal import Principal

log = logging.getLogger(__name__)

PREFIX = "myeye_"
"""Every token begins with it, so that those who look for leaked secrets can find one."""
TOKEN_BYTES = 32
ROLES = ("user", "admin")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """A token that is known. `expires` is the day on which it is good no more; None: it has no end."""

    principal: Principal
    sha256: str
    expires: date | None

    @property
    def expired(self) -> bool:
        return self.expires is not None and time.time() >= _begin_s(self.expires)

    def line(self) -> str:
        """Write it as a line of the file."""
        role = "admin" if self.principal.admin else "user"
        parts = [self.principal.name, role, self.sha256, *([self.expires.isoformat()] if self.expires else [])]
        return ":".join(parts)


def _begin_s(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def new_token() -> str:
    """Make a token that nobody else has."""
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def hash_of(token: str) -> str:
    """Give what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class TokenFile:
    """The tokens of a file, which is read again whenever it has changed. What cannot be read changes nothing, and is logged."""

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            ConfigurationError: it cannot be read.
        """
        self._path = path
        self._version = self._stat()
        self._entries = read_tokens(path)

    def grant(self, token: str) -> Grant:
        """Give what a token is good for.

        Raises:
            Unauthenticated: nothing, or no more.
        """
        entry = self._find(hash_of(token))

        def check() -> None:
            if self._find(entry.sha256).principal != entry.principal:
                raise Unauthenticated("TOKEN_INVALID", "the token is of somebody else now")

        return Grant(entry.principal, check)

    def _find(self, sha256: str) -> TokenEntry:
        self._refresh()
        entry = self._entries.get(sha256)
        # The look-up compares hashes, whose bytes no caller can choose: how long it takes tells nothing of any token.
        if entry is None or not hmac.compare_digest(entry.sha256, sha256):
            raise Unauthenticated("TOKEN_INVALID", "the token is not known here")
        if entry.expired:
            raise Unauthenticated("TOKEN_EXPIRED", "the token has expired")
        return entry

    def _refresh(self) -> None:
        version = self._stat()
        if version == self._version:
            return
        self._version = version
        try:
            self._entries = read_tokens(self._path)
        except ConfigurationError as error:
            log.error("the tokens stay as they were: %s", error)
        else:
            log.info("the tokens have been read again: %d", len(self._entries))

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def read_tokens(path: Path) -> Mapping[str, TokenEntry]:
    """Read a file of tokens: entries by their hashes.

    Raises:
        ConfigurationError: it cannot be read; the number of the line is told, and never what stands there.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the file of tokens cannot be read: {error}") from error
    entries: dict[str, TokenEntry] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            entry = _read_line(text)
        except ValueError as error:
            raise ConfigurationError(f"{path}, line {number}: {error}") from error
        if entry.sha256 in entries:
            raise ConfigurationError(f"{path}, line {number}: this token has a line already")
        entries[entry.sha256] = entry
    return entries


def _read_line(text: str) -> TokenEntry:
    parts = text.split(":")
    name, role, sha256, expires = [*parts, ""][:4] if len(parts) in (3, 4) else [""] * 4
    if not NAME.fullmatch(name) or role not in ROLES or not _HASH.fullmatch(sha256):
        raise ValueError("a line is name:user:sha256 or name:admin:sha256, and may end in :YYYY-MM-DD")
    try:
        day = date.fromisoformat(expires) if expires else None
    except ValueError as error:
        raise ValueError("the day of expiry is not YYYY-MM-DD") from error
    return TokenEntry(Principal(name, admin=role == "admin"), sha256, day)
