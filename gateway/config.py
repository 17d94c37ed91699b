"""The gateway's configuration: read once, from flags and the environment that are passed in."""

from __future__ import annotations

import argparse
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dispatch.errors import ConfigurationError
from dispatch.options import MAX_PIXELS, MAX_UPLOAD_BYTES
from egress.options import EgressOptions
from gateway.fair_use import FairUse, add_fair_use_flags, read_fair_use
from gateway.identity.options import IdentityOptions, add_identity_flags, read_identity
from gateway.tls import TlsOptions, add_tls_flags, read_tls
from gateway.webhook_options import WebhookOptions, add_webhook_flags, read_webhooks
from telemetry.endpoint import check_address
from telemetry.tracing import tracing_wanted

DEFAULT_PORT = 50051
LARGEST_UPLOAD_BYTES = 5 * 1024**3
"""What S3 copies in one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Checked on construction. Lengths of time are in seconds.

    Raises:
        ConfigurationError: the values cannot be used, or are not safe.
    """

    listen: str
    broker: str
    blobs: str
    model: str
    heartbeat_s: float
    tombstone_s: float
    drain_s: float
    max_queue_length: int
    max_pixels: int
    max_upload_bytes: int
    upload_ttl_s: float
    installation: str
    log_format: str
    tracing: bool
    """Whether spans are sent, by OpenTelemetry's own settings."""
    metrics: str
    """Where the metrics are served; empty: nowhere."""
    health: Path | None
    """The socket at which it is told whether this gateway serves."""
    insecure: bool
    identity: IdentityOptions
    tls: TlsOptions
    reflection: bool
    fair_use: FairUse
    egress: EgressOptions = field(default_factory=EgressOptions)
    webhooks: WebhookOptions = field(default_factory=WebhookOptions)

    def __post_init__(self) -> None:
        host, colon, port = self.listen.rpartition(":")
        if not colon or not host or not port.isdigit():
            raise ConfigurationError(f"--listen is HOST:PORT, not {self.listen!r}")
        check_address("--metrics", self.metrics)
        if not self.insecure and not _loopback(host) and (why := self._unprotected()):
            raise ConfigurationError(
                f"will not listen on {self.listen}: {why}. "
                "Listen on 127.0.0.1, or say --insecure if something else guards the address."
            )
        if self.heartbeat_s <= 0 or self.drain_s < 0 or self.tombstone_s < 0 or self.max_queue_length < 1:
            raise ConfigurationError("--heartbeat and --max-queue-length must be positive, --drain and --tombstones not negative")
        if not 1 <= self.max_upload_bytes <= LARGEST_UPLOAD_BYTES or self.upload_ttl_s <= 0:
            raise ConfigurationError(f"--max-upload is from 1 to {LARGEST_UPLOAD_BYTES} bytes, and --upload-ttl positive")

        if self.egress.webhooks_to and self.webhooks.secrets is None:
            raise ConfigurationError("--webhooks-to needs --webhook-secrets: what is not signed, nobody should believe")

    def _unprotected(self) -> str:
        """Say what is missing of what it takes to be reached by others; empty if nothing is."""
        if not self.identity.authenticates:
            return "whoever reaches it could use it, for there is no authentication (--tokens, --jwks or --client-ca)"
        if not self.tls.on:
            return "tokens and pictures could be read on their way, for there is no TLS (--tls-certificate and --tls-key)"
        return ""


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_config(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> Config:
    """Read flags, and the environment (MYEYE_…) where a flag is not given; `folder` is where data goes by default."""

    def fallback(name: str, value: str) -> str:
        return environment.get(f"MYEYE_{name}", value)

    parser = argparse.ArgumentParser(
        prog="python -m gateway",
        description="Accepts jobs and tells what becomes of them. MYEYE_… variables stand in for flags.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--listen", metavar="HOST:PORT", default=fallback("LISTEN", f"127.0.0.1:{DEFAULT_PORT}"), help="where to serve")
    add(
        "--broker",
        metavar="URL",
        default=fallback("BROKER", f"embedded://{folder}/broker"),
        help="amqp://… or embedded:///folder",
    )
    add(
        "--blobs", metavar="URL", default=fallback("BLOBS", f"file://{folder}/blobs"), help="file:///folder or s3://bucket/prefix"
    )
    add("--model", default=fallback("DEFAULT_MODEL", "efficientdet-lite0"), help="used where a request names none")
    add(
        "--heartbeat",
        type=float,
        metavar="SECONDS",
        default=fallback("HEARTBEAT", "15"),
        help="between heartbeats of an idle Watch",
    )
    add(
        "--tombstones",
        type=float,
        metavar="SECONDS",
        default=fallback("TOMBSTONES", "86400"),
        help="how long removed jobs are remembered",
    )
    add(
        "--drain",
        type=float,
        metavar="SECONDS",
        default=fallback("DRAIN", "10"),
        help="time for calls under way when told to stop",
    )
    queue_length = fallback("MAX_QUEUE_LENGTH", "100000")
    add("--max-queue-length", type=int, metavar="N", default=queue_length, help="tasks of a model, lane and share that may wait")
    pixels = fallback("MAX_PIXELS", str(MAX_PIXELS))
    add("--max-pixels", type=int, metavar="N", default=pixels, help="of one picture, to be told: the workers enforce theirs")
    largest = fallback("MAX_UPLOAD", str(MAX_UPLOAD_BYTES))
    add("--max-upload", type=int, metavar="BYTES", default=largest, help="size of one upload")
    upload_ttl = fallback("UPLOAD_TTL", "86400")
    add("--upload-ttl", type=float, metavar="SECONDS", default=upload_ttl, help="how long an upload is kept after its last byte")
    add("--installation", metavar="NAME", default=fallback("INSTALLATION", "myeye"), help="names on the broker begin with it")
    health = fallback("HEALTH", "")
    add("--health", metavar="SOCKET", default=health, help="where python -m dispatch.probe asks; none if not given")
    add("--log-format", choices=("text", "json"), default=fallback("LOG_FORMAT", "text"))
    metrics = fallback("METRICS", "")
    add("--metrics", metavar="HOST:PORT", default=metrics, help="where Prometheus may fetch metrics; nowhere if not given")
    insecure = fallback("INSECURE", "") == "1"
    add("--insecure", action="store_true", default=insecure, help="listen beyond loopback, without TLS or without authentication")
    add(
        "--no-reflection",
        dest="reflection",
        action="store_false",
        default=fallback("REFLECTION", "1") != "0",
        help="do not tell the contract to who asks for it (MYEYE_REFLECTION=0)",
    )
    add_identity_flags(parser, fallback)
    add_tls_flags(parser, fallback)
    add_fair_use_flags(parser, fallback)
    fetch_from = fallback("FETCH_FROM", "")
    add(
        "--fetch-from",
        metavar="LIST",
        default=fetch_from,
        help="where an Input.uri may lead: https://host[:port], s3://bucket/prefix",
    )
    networks = fallback("INTERNAL_NETWORKS", "")
    add("--internal-networks", metavar="LIST", default=networks, help="networks of your own that may be reached, as 10.20.0.0/16")
    add("--egress-ca", metavar="FILE", default=fallback("EGRESS_CA", ""), help="certificates to trust beside the system's")
    add_webhook_flags(parser, fallback)
    given = parser.parse_args(arguments)
    return Config(
        listen=given.listen,
        broker=given.broker,
        blobs=given.blobs,
        model=given.model,
        heartbeat_s=given.heartbeat,
        tombstone_s=given.tombstones,
        drain_s=given.drain,
        max_queue_length=given.max_queue_length,
        max_pixels=given.max_pixels,
        max_upload_bytes=given.max_upload,
        upload_ttl_s=given.upload_ttl,
        installation=given.installation,
        log_format=given.log_format,
        tracing=tracing_wanted(environment),
        metrics=given.metrics,
        health=Path(given.health) if given.health else None,
        insecure=given.insecure,
        identity=read_identity(given),
        tls=read_tls(given),
        reflection=given.reflection,
        fair_use=read_fair_use(given),
        egress=EgressOptions.parse(
            fetch_from=given.fetch_from,
            webhooks_to=given.webhooks_to,
            internal_networks=given.internal_networks,
            ca=given.egress_ca,
        ),
        webhooks=read_webhooks(given),
    )
