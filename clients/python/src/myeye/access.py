"""Who one is, and whom one trusts: tokens and certificates."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import grpc


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to connect. Files are PEM; `ca` is the authority of the service's certificate, `certificate` and `key` one's own.

    With any of the files, or `tls`, the connection is encrypted; without `ca` the public authorities are trusted.

    Raises:
        ValueError: on construction, for what does not go together.
    """

    token: str | None = None
    token_file: str | PathLike[str] | None = None
    ca: str | PathLike[str] | None = None
    certificate: str | PathLike[str] | None = None
    key: str | PathLike[str] | None = None
    tls: bool = False
    credentials: grpc.ChannelCredentials | None = None

    def __post_init__(self) -> None:
        if self.token is not None and self.token_file is not None:
            raise ValueError("either a token or a file of one, and not both")
        if (self.certificate is None) is not (self.key is None):
            raise ValueError("a certificate and its key go together")
        if self.credentials is not None and (self.tls or self.ca is not None or self.certificate is not None):
            raise ValueError("either credentials or files to make them of, and not both")

    def channel_credentials(self) -> grpc.ChannelCredentials | None:
        """Make the credentials of a connection; None: it is not encrypted.

        Raises:
            OSError: a file cannot be read.
        """
        if self.credentials is not None or not (self.tls or self.ca is not None or self.certificate is not None):
            return self.credentials
        ca, certificate, key = (
            None if path is None else Path(path).read_bytes() for path in (self.ca, self.certificate, self.key)
        )
        return grpc.ssl_channel_credentials(ca, key, certificate)

    def bearer(self) -> Callable[[], str] | None:
        """Give what gives the token for each call; a file is read each time, for it may be replaced. None: there is none.

        Raises:
            OSError: the file cannot be read.
            ValueError: there is no token in it.
        """
        if self.token_file is not None:
            path = Path(self.token_file)
            _checked(path.read_text())
            return lambda: _checked(path.read_text())
        if self.token is not None:
            token = _checked(self.token)
            return lambda: token
        return None


def _checked(text: str) -> str:
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("that is no token: it must be one word")
    return token


def is_loopback(target: str) -> bool:
    """Tell whether a target is on this machine, so that nobody else can listen on the way to it."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    host, colon, port = target.removeprefix("dns:///").removeprefix("ipv4:").removeprefix("ipv6:").rpartition(":")
    bare = (host if colon and port.isdigit() else target).removeprefix("[").removesuffix("]")
    if bare == "localhost":
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


class TokenChannel:
    """A channel whose calls carry a token, as far as the generated stubs use a channel.

    gRPC's own call credentials do not travel without TLS, not even on one machine.
    """

    def __init__(self, channel: grpc.aio.Channel, token: Callable[[], str]) -> None:
        self._channel = channel
        self._token = token

    def unary_unary(self, *args: Any, **options: Any) -> Any:
        return self._carrying(self._channel.unary_unary(*args, **options))

    def unary_stream(self, *args: Any, **options: Any) -> Any:
        return self._carrying(self._channel.unary_stream(*args, **options))

    def stream_unary(self, *args: Any, **options: Any) -> Any:
        return self._carrying(self._channel.stream_unary(*args, **options))

    def stream_stream(self, *args: Any, **options: Any) -> Any:
        return self._carrying(self._channel.stream_stream(*args, **options))

    def _carrying(self, method: Any) -> Callable[..., Any]:
        def call(*args: Any, metadata: Iterable[tuple[str, str]] | None = None, **options: Any) -> Any:
            return method(*args, metadata=(*(metadata or ()), ("authorization", f"Bearer {self._token()}")), **options)

        return call

    async def close(self) -> None:
        await self._channel.close()
