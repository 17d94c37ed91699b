"""Envoy's configuration: the template, filled."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Any

from edge.access_log import log_format
from edge.address import Address
from edge.config import Config
from edge.descriptor import descriptor_set
from edge.health_events import STDOUT
from edge.hosts import other_hosts
from edge.methods import OPENAPI, refusals
from edge.metrics import admin_cluster, metrics_listener
from edge.page import PageFile, page_routes, read_page
from edge.replies import mappers
from edge.tls import downstream, upstream
from edge.tracing import collector_cluster, tracing

TEMPLATE = Path(__file__).with_name("envoy.yaml")
HEADERS_LIMIT_S = 10.0
"""For the headers of a request, from its first byte: who is slower holds a connection, and perhaps many."""
ROUTES_AT, RESOURCES_AT = 24, 4
"""Where the template's routes begin, and its listeners and clusters, in characters from the left."""


def fill(config: Config, *, admin: str, secrets: Path | None = None, events: str = STDOUT) -> str:
    """Give Envoy's whole configuration as YAML.

    `admin` is the path of the socket that it is told to drain by, `secrets` the folder of its certificates, see `edge.tls`, and
    `events` where it writes what its health checks find.

    Raises:
        ConfigurationError: the page cannot be read.
    """
    openapi = PageFile("/openapi.json", "application/json", OPENAPI.read_text(encoding="utf-8"))
    values = {
        "admin": admin,
        "events": events,
        "listen_host": config.listen.host,
        "listen_port": config.listen.port,
        "gateways": [_endpoint(gateway) for gateway in config.gateways],
        "timeout": f"{config.timeout_s}s",
        "idle": f"{config.idle_s}s",
        "max_body_bytes": config.max_body_bytes,
        "max_raw_body_bytes": config.max_raw_body_bytes,
        "descriptor": base64.b64encode(descriptor_set()).decode(),
        "log_format": log_format(config.log_format),
        "tracing": tracing(config.tracing) if config.tracing else None,
        "replies": mappers(token_required=config.require_token),
        "headers_limit": f"{min(config.idle_s, HEADERS_LIMIT_S)}s",
        "downstream": downstream(config.callers, secrets),
        "upstream": upstream(config.behind, secrets, config.gateways),
        "forward_certificate": "SANITIZE_SET" if config.callers.ca else "SANITIZE",
        "tokens": _tokens(config.require_token),
    }
    # JSON is YAML, and so every value is quoted as it must be
    filled = {name: json.dumps(value) for name, value in values.items()}
    filled["files"] = _listed(page_routes([*read_page(config.web), openapi]), ROUTES_AT)
    filled["refusals"] = _listed(refusals(), ROUTES_AT)
    filled["other_hosts"] = _listed([other_hosts(config.hosts)] if config.checks_host else [], ROUTES_AT)
    filled["more_listeners"] = _listed([metrics_listener(config.metrics)] if config.metrics else [], RESOURCES_AT)
    clusters = [admin_cluster(admin)] if config.metrics else []
    clusters += [collector_cluster(config.tracing)] if config.tracing else []
    filled["more_clusters"] = _listed(clusters, RESOURCES_AT)
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(filled)


def _tokens(required: bool) -> dict[str, Any]:
    """Give the policy of what is refused for want of a token, before its body is read.

    That is REST only: what is gRPC goes to a gateway at once, which tells more.
    """
    missing = {"header": {"name": "authorization", "present_match": False}}
    rest = {"url_path": {"path": {"prefix": "/v1/"}}}
    policy = {"permissions": [rest], "principals": [missing]}
    return {"action": "DENY", "policies": {"no-token": policy} if required else {}}


def _listed(values: Iterable[dict[str, Any]], column: int) -> str:
    return ("\n" + column * " ").join(f"- {json.dumps(value, ensure_ascii=False)}" for value in values)


def _endpoint(gateway: Address) -> dict[str, Any]:
    return {"endpoint": {"address": {"socket_address": {"address": gateway.host, "port_value": gateway.port}}}}
