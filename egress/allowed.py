"""Which hosts and buckets may be named: a list of the operator's. What is not on it is not reached."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from dispatch.errors import ConfigurationError
from dispatch.uri import HTTPS_PORT, HttpsUri, MalformedUri, S3Uri, Uri, check_host
from egress.errors import Forbidden


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """A host and its port; with `below`, all names below it and not itself."""

    host: str
    port: int = HTTPS_PORT
    below: bool = False

    def __str__(self) -> str:
        return HttpsUri(f"*.{self.host}" if self.below else self.host, self.port, "").origin

    def matches(self, uri: HttpsUri) -> bool:
        if uri.port != self.port:
            return False
        return uri.host.endswith(f".{self.host}") if self.below else uri.host == self.host


@dataclass(frozen=True, slots=True)
class AllowedBucket:
    """A bucket, or what in it begins with a prefix, which is empty or ends with "/"; and where it is, if not at AWS."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    anonymous: bool = False

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def matches(self, uri: S3Uri) -> bool:
        return uri.bucket == self.bucket and uri.key.startswith(self.prefix)


@dataclass(frozen=True, slots=True)
class Allowed:
    """The list."""

    hosts: tuple[AllowedHost, ...] = ()
    buckets: tuple[AllowedBucket, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.hosts or self.buckets)

    @property
    def told(self) -> list[str]:
        """Write the list for clients: without where a bucket is."""
        return [str(each) for each in (*self.hosts, *self.buckets)]

    @classmethod
    def parse(cls, flag: str, texts: Iterable[str]) -> Allowed:
        """Read entries as "https://images.example.com", "https://*.example.com:8443" and "s3://bucket/prefix?endpoint=…&region=…".

        Raises:
            ConfigurationError: one is none of these.
        """
        hosts, buckets = [], []
        for text in texts:
            if text.startswith("s3://"):
                buckets.append(_bucket(flag, text))
            else:
                hosts.append(_host(flag, text))
        return cls(tuple(hosts), tuple(buckets))

    def check_host(self, uri: HttpsUri) -> None:
        """Raise Forbidden for a host that is not on the list."""
        if not any(each.matches(uri) for each in self.hosts):
            raise Forbidden(f"{uri.origin} is not among the addresses that the operator has allowed")

    def bucket_of(self, uri: S3Uri) -> AllowedBucket:
        """Find the bucket of an object; raise Forbidden if there is none on the list."""
        for each in self.buckets:
            if each.matches(uri):
                return each
        raise Forbidden(f"{uri.origin} is not among the addresses that the operator has allowed, or not with this key")

    def check(self, uri: Uri) -> None:
        """Raise Forbidden for what is not on the list."""
        if isinstance(uri, S3Uri):
            self.bucket_of(uri)
        else:
            self.check_host(uri)


NOTHING = Allowed()


def _host(flag: str, text: str) -> AllowedHost:
    parts = urlsplit(text)
    name = (parts.hostname or "").removeprefix("*.")
    below = (parts.hostname or "").startswith("*.")
    try:
        if parts.scheme != "https" or parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
            raise MalformedUri("must be https://host or https://host:port")
        return AllowedHost(check_host(name), HTTPS_PORT if parts.port is None else parts.port, below)
    except (MalformedUri, ValueError) as error:
        raise ConfigurationError(
            f"{flag}: {text!r} is not an entry such as https://images.example.com, https://*.example.com:8443 or s3://bucket/prefix"
        ) from error


def _bucket(flag: str, text: str) -> AllowedBucket:
    parts = urlsplit(text)
    settings = dict(parse_qsl(parts.query))
    prefix = unquote(parts.path.strip("/"))
    entry = AllowedBucket(
        bucket=parts.netloc,
        prefix=f"{prefix}/" if prefix else "",
        endpoint=settings.pop("endpoint", None),
        region=settings.pop("region", None),
        anonymous=settings.pop("anonymous", "") == "1",
    )
    if settings or not parts.netloc:
        raise ConfigurationError(
            f"{flag}: {text!r} is not s3://bucket/prefix; behind a '?' it takes endpoint, region and anonymous=1"
        )
    return entry
