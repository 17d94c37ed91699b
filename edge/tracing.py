"""Envoy's part of traces: a span for each call, sent by OTLP. The standard's own variables say where to, and whether at all."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from edge.address import Address
from edge.errors import ConfigurationError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
CLUSTER = "collector"
SERVICE = "myeye-edge"


@dataclass(frozen=True, slots=True)
class Collector:
    """Who takes spans, by OTLP over gRPC."""

    address: Address
    tls: bool
    service: str
    authorities: str
    """The file of those who may vouch for it."""


def read_collector(environment: Mapping[str, str]) -> Collector | None:
    """Read where spans are sent; None when nobody wants them.

    Raises:
        ConfigurationError: the address is not http://HOST:PORT or https://HOST:PORT.
    """
    url = next((environment[name] for name in ENDPOINTS if environment.get(name)), "")
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none"
    if not url or disabled:
        return None
    parts = urlsplit(url)
    try:
        port = parts.port or 4317
    except ValueError as error:
        raise ConfigurationError(f"{ENDPOINTS[1]}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"{ENDPOINTS[1]} is http://HOST:PORT or https://HOST:PORT, not {url!r}")
    return Collector(
        Address(parts.hostname, port),
        tls=parts.scheme == "https",
        service=environment.get("OTEL_SERVICE_NAME") or SERVICE,
        authorities=environment.get("OTEL_EXPORTER_OTLP_CERTIFICATE") or ssl.get_default_verify_paths().openssl_cafile,
    )


def tracing(collector: Collector) -> dict[str, Any]:
    """Give the part of the connection manager. Whether a trace is heard of is decided where it began."""
    return {
        # of the path without what follows the question mark, which may hold what people gave names to
        "max_path_tag_length": 0,
        "custom_tags": [{"tag": "url.path", "value": "%PATH(NQ)%"}],
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                "grpc_service": {"envoy_grpc": {"cluster_name": CLUSTER}, "timeout": "1s"},
                "service_name": collector.service,
            },
        },
    }


def collector_cluster(collector: Collector) -> dict[str, Any]:
    """Give the way to the collector."""
    address = {"address": collector.address.host, "port_value": collector.address.port}
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    cluster: dict[str, Any] = {
        "name": CLUSTER,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": address}}}]}],
        },
        "typed_extension_protocol_options": {
            options: {"@type": f"type.googleapis.com/{options}", "explicit_http_config": {"http2_protocol_options": {}}}
        },
    }
    if collector.tls:
        tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
        authorities = {"trusted_ca": {"filename": collector.authorities}}
        cluster["transport_socket"] = {
            "name": "tls",
            "typed_config": {
                "@type": tls,
                "sni": collector.address.host,
                "auto_sni_san_validation": True,
                "common_tls_context": {"validation_context": authorities},
            },
        }
    return cluster
