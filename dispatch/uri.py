"""Addresses that clients name, read strictly: two programs that read one differently are how the wrong one is reached."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from dispatch.errors import DispatchError

HTTPS_PORT = 443
MAX_URI_LENGTH = 2048

_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
"""All that RFC 3986 has: neither spaces and controls, nor backslashes, nor anything that is not ASCII."""
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class MalformedUri(DispatchError):
    """It is not an address of the kinds that are spoken here; the message says why, as "must …"."""


@dataclass(frozen=True, slots=True)
class HttpsUri:
    """What is asked of whom: `target` is path and query, as they go into the request. `host` has no brackets."""

    host: str
    port: int
    target: str = field(repr=False)

    @property
    def authority(self) -> str:
        """Name host and port, as the Host header does."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == HTTPS_PORT else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Name the address without path and query, which may be secrets: for logs, and for whoever looks at a job."""
        return f"https://{self.authority}"


@dataclass(frozen=True, slots=True)
class S3Uri:
    """An object in a bucket."""

    bucket: str
    key: str = field(repr=False)

    @property
    def origin(self) -> str:
        """Name the address without what may be a secret."""
        return f"s3://{self.bucket}"


Uri = HttpsUri | S3Uri


def read_uri(text: str) -> Uri:
    """Read an address.

    Raises:
        MalformedUri: it is not one that could be fetched.
    """
    parts = _split(text)
    if parts.scheme == "s3":
        return _s3(parts)
    return _https(parts)


def read_https_uri(text: str) -> HttpsUri:
    """Read an address that must be of https.

    Raises:
        MalformedUri: it is not.
    """
    return _https(_split(text))


def _split(text: str) -> SplitResult:
    if len(text) > MAX_URI_LENGTH:
        raise MalformedUri(f"must have at most {MAX_URI_LENGTH} characters, not {len(text)}")
    if not _CHARACTERS.fullmatch(text):
        raise MalformedUri("must be made of the characters of RFC 3986, others percent-encoded")
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise MalformedUri("must have a host, and a port from 1 to 65535 or none") from error
    if "@" in parts.netloc:
        raise MalformedUri("must have no user and password")
    if "#" in text:
        raise MalformedUri("must have no fragment")
    return parts


def _https(parts: SplitResult) -> HttpsUri:
    if parts.scheme != "https":
        raise MalformedUri("must begin with https://")
    port = HTTPS_PORT if parts.port is None else parts.port
    if port == 0 or parts.netloc.endswith(":"):
        raise MalformedUri("must have a port from 1 to 65535, or none")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return HttpsUri(check_host(parts.hostname or ""), port, target)


def check_host(host: str) -> str:
    """Give a host as it is compared and resolved: a name in lower case, or an IP address in its usual spelling.

    Raises:
        MalformedUri: it is neither, or a number that some resolvers take for an address.
    """
    if ":" in host:
        if "%" in host:
            raise MalformedUri("must have a host without a zone")
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError as error:
            raise MalformedUri("must have a host that is a name or an IP address") from error
    labels = host.lower().split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as error:
            raise MalformedUri("must have a host that is a name, or an IP address in its usual spelling") from error
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise MalformedUri("must have a host that is a name or an IP address")
    return host.lower()


def _s3(parts: SplitResult) -> S3Uri:
    if not _BUCKET.fullmatch(parts.netloc):
        raise MalformedUri("must name a bucket, as s3://bucket/key")
    if parts.query:
        raise MalformedUri("must have no query: where a bucket is, is the operator's to say")
    key = unquote(parts.path.removeprefix("/"))
    if not key or any(segment in ("", ".", "..") for segment in key.split("/")) or not key.isprintable():
        raise MalformedUri('must name a key, as s3://bucket/key, without empty segments, "." and ".."')
    return S3Uri(parts.netloc, key)
