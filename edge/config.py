"""The edge's configuration: read once, from flags and the environment that are passed in."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from edge.address import Address
from edge.errors import ConfigurationError
from edge.page import find_page
from edge.tls import Side
from edge.tracing import Collector, read_collector

LOG_FORMATS = ("text", "json")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
DEFAULT_MAX_BODY_BYTES = 43 * 1024 * 1024
"""The 32 MiB of a gateway's largest message, in base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Checked on construction. Lengths of time are in seconds.

    Raises:
        ConfigurationError: the values cannot be used, or are not safe.
    """

    listen: Address
    gateways: tuple[Address, ...]
    timeout_s: float
    """For the answer of any call but a stream's; longer than the longest Wait."""
    idle_s: float
    """For a connection or a call on which nothing moves; streams have no such limit."""
    drain_s: float
    max_body_bytes: int
    web: Path
    """The folder of the page."""
    log_format: str
    metrics: Address | None
    """Where Envoy's metrics are served; None: nowhere."""
    tracing: Collector | None
    """Where spans are sent; None: nowhere."""
    insecure: bool
    callers: Side
    """TLS of the edge's own port; its CA is that of the callers' certificates."""
    behind: Side
    """TLS to the gateways, if there is a CA for their certificates; the pair is what the edge shows them."""
    require_token: bool
    hosts: tuple[str, ...]
    """By which names, besides addresses and localhost, it may be called; all, if callers must show who they are."""

    def __post_init__(self) -> None:
        if not self.insecure and not self.listen.loopback and (why := self._unprotected()):
            raise ConfigurationError(
                f"will not listen on {self.listen}: {why}. "
                "Listen on 127.0.0.1, or say --insecure if something else guards the address."
            )
        if self.callers.ca and not self.callers.certificate:
            raise ConfigurationError("--client-ca needs TLS: say --tls-certificate and --tls-key")
        if self.behind.certificate and not self.behind.ca:
            raise ConfigurationError("--gateway-certificate needs --gateway-ca: it is shown to gateways that are known by it")
        if not all(map(_HOST.fullmatch, self.hosts)):
            raise ConfigurationError(f"--hosts are names with commas, without ports, not {', '.join(self.hosts)}")
        if not self.gateways:
            raise ConfigurationError("--gateway: at least one is needed")
        if len(set(self.gateways)) < len(self.gateways):
            raise ConfigurationError(f"--gateway: each once, not {', '.join(map(str, self.gateways))}")
        if self.listen.name:
            raise ConfigurationError(f"--listen takes an IP address, not the name {self.listen.host!r}")
        if self.metrics and (self.metrics.name or self.metrics == self.listen):
            raise ConfigurationError(f"--metrics takes an IP address and a port of its own, not {self.metrics}")
        if self.listen in self.gateways:
            raise ConfigurationError(f"--listen and --gateway are both {self.listen}: the edge would call itself")
        if self.timeout_s <= 0 or self.idle_s <= 0 or self.drain_s < 0:
            raise ConfigurationError("--timeout and --idle must be positive, --drain not negative")
        if not 0 < self.max_body_bytes < 2**32:
            raise ConfigurationError(f"--max-body is from 1 to {2**32 - 1} bytes, not {self.max_body_bytes}")
        if self.log_format not in LOG_FORMATS:
            raise ConfigurationError(f"--log-format is text or json, not {self.log_format!r}")

    @property
    def authenticates(self) -> bool:
        """Whether callers must show who they are: the gateways check tokens, the edge certificates."""
        return self.require_token or self.callers.ca is not None

    @property
    def checks_host(self) -> bool:
        """Whether it matters by which name the edge is called: a browser may have been led here."""
        return bool(self.hosts) or not self.authenticates

    def _unprotected(self) -> str:
        """Say what is missing of what it takes to be reached by others; empty if nothing is."""
        if not self.authenticates:
            return "whoever reaches it could use it, for there is no authentication (--require-token or --client-ca)"
        if self.callers.certificate is None:
            return "tokens and pictures could be read on their way, for there is no TLS (--tls-certificate and --tls-key)"
        return ""

    @property
    def max_raw_body_bytes(self) -> int:
        """Of a body that is taken as it is: what base64 makes `max_body_bytes` of, less one percent for what is beside it."""
        return max(1, self.max_body_bytes * 3 // 4 * 99 // 100)


@dataclass(frozen=True, slots=True)
class Order:
    """What to do, and with which configuration: `task` is "serve", "validate" or "print"."""

    task: str
    config: Config


def read_order(arguments: Sequence[str], environment: Mapping[str, str]) -> Order:
    """Read flags, and the environment (MYEYE_…) where a flag is not given.

    Raises:
        ConfigurationError: something is not understood or out of range.
    """
    given = _parser(environment).parse_args(arguments)
    config = Config(
        listen=Address.parse(given.listen.replace("localhost:", "127.0.0.1:")),
        gateways=tuple(map(Address.parse, given.gateway or _listed(environment.get("MYEYE_GATEWAYS") or "127.0.0.1:50051"))),
        timeout_s=given.timeout,
        idle_s=given.idle,
        drain_s=given.drain,
        max_body_bytes=given.max_body,
        web=given.web,
        log_format=given.log_format,
        tracing=read_collector(environment),
        metrics=Address.parse(given.metrics.replace("localhost:", "127.0.0.1:")) if given.metrics else None,
        insecure=given.insecure,
        callers=Side(certificate=given.tls_certificate, key=given.tls_key, ca=given.client_ca),
        behind=Side(certificate=given.gateway_certificate, key=given.gateway_key, ca=given.gateway_ca),
        require_token=given.require_token,
        hosts=tuple(_listed(given.hosts)),
    )
    return Order(given.task, config)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(message)


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m edge",
        description="Serves gRPC, gRPC-Web, REST and a page on one port, for gateways. MYEYE_… variables stand in for flags.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )

    def flag(name: str, variable: str, default: str, **how: Any) -> None:
        # a default that is text is converted and checked as if it had been given
        parser.add_argument(name, default=environment.get(f"MYEYE_{variable}") or default, **how)

    flag("--listen", "EDGE_LISTEN", "127.0.0.1:8080", metavar="HOST:PORT", help="where to serve")
    parser.add_argument(
        "--gateway",
        action="append",
        metavar="HOST:PORT",
        help="a gateway, or a name that stands for several; may be repeated (MYEYE_GATEWAYS with commas; 127.0.0.1:50051)",
    )
    flag("--timeout", "EDGE_TIMEOUT", "75", type=float, metavar="SECONDS", help="for the answer of a call that is not a stream")
    flag("--idle", "EDGE_IDLE", "300", type=float, metavar="SECONDS", help="without any traffic, but for streams")
    flag("--drain", "EDGE_DRAIN", "10", type=float, metavar="SECONDS", help="time for calls under way when told to stop")
    flag(
        "--max-body", "EDGE_MAX_BODY", str(DEFAULT_MAX_BODY_BYTES), type=int, metavar="BYTES", help="of a REST request or answer"
    )
    flag("--web", "WEB", str(find_page()), type=Path, metavar="FOLDER", help="the page that is served")
    flag("--log-format", "LOG_FORMAT", "text", metavar="text|json", help="how the access log is written")
    flag(
        "--metrics",
        "EDGE_METRICS",
        "",
        metavar="HOST:PORT",
        help="where Prometheus may fetch Envoy's metrics; nowhere if not given",
    )
    insecure = environment.get("MYEYE_INSECURE") == "1"
    parser.add_argument(
        "--insecure", action="store_true", default=insecure, help="listen beyond loopback, without TLS or authentication"
    )
    needed = environment.get("MYEYE_REQUIRE_TOKEN") == "1"
    parser.add_argument(
        "--require-token", action="store_true", default=needed, help="callers bring a token, which the gateways check"
    )
    flag("--hosts", "HOSTS", "", metavar="NAMES", help="by which the edge is called, besides addresses and localhost")

    def file(name: str, variable: str, what: str) -> None:
        parser.add_argument(name, type=Path, metavar="FILE", default=environment.get(f"MYEYE_{variable}") or None, help=what)

    file("--tls-certificate", "EDGE_TLS_CERTIFICATE", "of the edge, and those that sign it (PEM)")
    file("--tls-key", "EDGE_TLS_KEY", "its key, without a password")
    file("--client-ca", "EDGE_CLIENT_CA", "callers must have a certificate signed by it")
    file("--gateway-ca", "GATEWAY_CA", "speak TLS with gateways whose certificates are signed by it")
    file("--gateway-certificate", "GATEWAY_CERTIFICATE", "what the edge shows to gateways that ask for one")
    file("--gateway-key", "GATEWAY_KEY", "its key, without a password")
    tasks = parser.add_mutually_exclusive_group()
    tasks.add_argument(
        "--validate", dest="task", action="store_const", const="validate", help="let Envoy check the configuration"
    )
    tasks.add_argument("--print", dest="task", action="store_const", const="print", help="print Envoy's configuration")
    parser.set_defaults(task="serve")
    return parser


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
