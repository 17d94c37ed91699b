"""Envoy's own metrics and whether it serves, on a port of their own: two paths of its admin socket, for reading, and no other."""

from __future__ import annotations

from typing import Any

from edge.address import Address

CLUSTER = "admin"
PATH = "/metrics"
READY = "/ready"
"""200 while the edge serves, 503 from when it drains: for health checks that have no certificate to show where callers must."""
FILTERS = "type.googleapis.com/envoy.extensions.filters"
LIMIT_S = 10


def metrics_listener(address: Address) -> dict[str, Any]:
    """Give the listener that serves /metrics and /ready and refuses all else."""
    told = f"there are only GET {PATH} and GET {READY} here\n"
    routes = [
        _route(PATH, "/stats/prometheus"),
        _route(READY, "/ready"),
        {"match": {"prefix": "/"}, "direct_response": {"status": 404, "body": {"inline_string": told}}},
    ]
    router = {"name": "router", "typed_config": {"@type": f"{FILTERS}.http.router.v3.Router"}}
    http = {
        "@type": f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "metrics",
        "request_headers_timeout": f"{LIMIT_S}s",
        "stream_idle_timeout": f"{LIMIT_S}s",
        "http_filters": [router],
        "route_config": {"virtual_hosts": [{"name": "metrics", "domains": ["*"], "routes": routes}]},
    }
    return {
        "name": "metrics",
        "address": {"socket_address": {"address": address.host, "port_value": address.port}},
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": http}]}],
    }


def admin_cluster(path: str) -> dict[str, Any]:
    """Give the way to the admin socket at `path`."""
    endpoint = {"endpoint": {"address": {"pipe": {"path": path}}}}
    return {
        "name": CLUSTER,
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": CLUSTER, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _route(path: str, asked: str) -> dict[str, Any]:
    # the whole of it, query included: what could be asked with one is not for those who read metrics
    only = {"path": path, "headers": [_is(":path", path), _is(":method", "GET")]}
    return {"match": only, "route": {"cluster": CLUSTER, "prefix_rewrite": asked, "timeout": f"{LIMIT_S}s"}}


def _is(header: str, value: str) -> dict[str, Any]:
    return {"name": header, "string_match": {"exact": value}}
