"""Envoy's own metrics, on a port of their own: one path of its admin socket, for reading, and no other."""

from __future__ import annotations

from typing import Any

from edge.address import Address

CLUSTER = "admin"
PATH = "/metrics"
FILTERS = "type.googleapis.com/envoy.extensions.filters"
LIMIT_S = 10


def metrics_listener(address: Address) -> dict[str, Any]:
    """Give the listener that serves /metrics and refuses all else."""
    # the whole of it, query included: what could be asked with one is not for those who read metrics
    only = {"path": PATH, "headers": [_is(":path", PATH), _is(":method", "GET")]}
    routes = [
        {"match": only, "route": {"cluster": CLUSTER, "prefix_rewrite": "/stats/prometheus", "timeout": f"{LIMIT_S}s"}},
        {
            "match": {"prefix": "/"},
            "direct_response": {"status": 404, "body": {"inline_string": f"there is only GET {PATH} here\n"}},
        },
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


def _is(header: str, value: str) -> dict[str, Any]:
    return {"name": header, "string_match": {"exact": value}}
