"""Envoy's configuration, as it is filled. Whether Envoy takes it is tested with Envoy, in tests/e2e."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
import yaml
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from edge.config import read_order
from edge.template import fill
from myeye.v1 import blob_service_pb2, detection_service_pb2

STREAMS = {
    "DetectionService/Watch",
    "DetectionService/WatchMany",
    "DetectionService/Session",
    "BlobService/DownloadInput",
    "BlobService/DownloadAnnotated",
}
BOTH_WAYS = {"DetectionService/Session", "BlobService/Upload"}
"""Streams from the client, which alone can go on with them."""
UPLOADS = {"BlobService/Upload", "BlobService/UploadImage"}
READS = {
    "DetectionService/Wait",
    "DetectionService/Get",
    "DetectionService/List",
    "DetectionService/GetCapabilities",
    "BlobService/GetUpload",
}
METHODS = [
    f"{service.name}/{method.name}"
    for contract in (detection_service_pb2.DESCRIPTOR, blob_service_pb2.DESCRIPTOR)
    for service in contract.services_by_name.values()
    for method in service.methods
]


def filled(*flags: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(fill(read_order(flags, {}).config, admin='/run/it\'s "here": #1'))
    return document


def http(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def route(document: dict[str, Any], path: str) -> dict[str, Any]:
    """Give the first route whose match is this path's, as Envoy would."""
    for candidate in http(document)["route_config"]["virtual_hosts"][0]["routes"]:
        match = candidate["match"]
        if "route" in candidate and (
            match.get("path") == path
            or ("prefix" in match and path.startswith(match["prefix"]))
            or ("safe_regex" in match and re.fullmatch(match["safe_regex"]["regex"], path))
        ):
            return dict(candidate["route"])
    raise AssertionError(path)


def test_addresses_and_paths_arrive_unharmed():
    document = filled("--listen", "[::1]:81", "--gateway", "one:1", "--gateway", "[fd00::2]:2")
    listens = document["static_resources"]["listeners"][0]["address"]["socket_address"]
    endpoints = document["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert listens == {"address": "::1", "port_value": 81}
    assert [endpoint["endpoint"]["address"]["socket_address"] for endpoint in endpoints] == [
        {"address": "one", "port_value": 1},
        {"address": "fd00::2", "port_value": 2},
    ]
    assert document["admin"]["address"]["pipe"]["path"] == '/run/it\'s "here": #1'


def test_nothing_but_streams_may_last_for_ever_and_of_uploads_only_those_on_which_something_moves():
    document = filled("--timeout", "7", "--idle", "8")
    assert {name for name in METHODS if route(document, f"/myeye.v1.{name}")["timeout"] == "0s"} == STREAMS | UPLOADS
    assert all("idle_timeout" not in route(document, f"/myeye.v1.{name}") for name in UPLOADS)
    assert route(document, "/myeye.v1.DetectionService/Watch")["idle_timeout"] == "0s"
    assert route(document, "/grpc.health.v1.Health/Watch")["timeout"] == "0s"
    assert route(document, "/myeye.v1.DetectionService/Wait")["timeout"] == "7.0s"
    assert http(document)["stream_idle_timeout"] == "8.0s"


@pytest.mark.parametrize("name", METHODS)
def test_only_reads_are_repeated_once_a_gateway_has_seen_them(name: str):
    policy = route(filled(), f"/myeye.v1.{name}")["retry_policy"]
    conditions = set(policy.get("retry_on", "").split(",")) - {""}
    unseen = set() if name in BOTH_WAYS else {"connect-failure", "refused-stream"}
    assert conditions == (unseen | {"unavailable"} if name in (STREAMS | READS) - BOTH_WAYS else unseen)


def test_what_is_repeated_may_be_as_large_as_a_request_can_be():
    (host,) = http(filled("--max-body", "1234"))["route_config"]["virtual_hosts"]
    assert host["request_body_buffer_limit"] == 1234


def test_the_contract_is_inside_with_its_imports_first():
    transcoder = next(found for found in http(filled())["http_filters"] if found["name"] == "transcoder")["typed_config"]
    files = FileDescriptorSet.FromString(base64.b64decode(transcoder["proto_descriptor_bin"])).file
    seen: set[str] = set()
    for file in files:
        assert set(file.dependency) <= seen, file.name
        seen.add(file.name)
    assert {
        "myeye/v1/detection_service.proto",
        "myeye/v1/blob_service.proto",
        "google/api/annotations.proto",
        "google/rpc/error_details.proto",
    } <= seen
    assert len(files) == len(seen)


def test_limits_and_log_format_are_those_given():
    document = http(filled("--max-body", "1234", "--log-format", "json"))
    transcoder = next(found for found in document["http_filters"] if found["name"] == "transcoder")["typed_config"]
    body = next(found for found in document["http_filters"] if found["name"] == "whole_body")["typed_config"]
    log = document["access_log"][0]["typed_config"]["log_format"]
    routes = document["route_config"]["virtual_hosts"][0]["routes"]
    limits = [each["typed_per_filter_config"]["whole_body"]["buffer"]["max_request_bytes"] for each in routes[-2:]]
    assert transcoder["max_response_body_size"] == body["max_request_bytes"] == 1234
    assert limits == [915, 1234], "of a body as it is, and of JSON with it in base64"
    assert {"method", "status", "duration_ms", "job"} <= set(log["json_format"])


def test_every_status_that_envoy_answers_with_has_a_code_and_a_reason():
    mappers = http(filled())["local_reply_config"]["mappers"]
    ranges = [
        [
            part["status_code_filter"]["comparison"]["value"]["default_value"]
            for part in mapper["filter"]["and_filter"]["filters"][:2]
        ]
        for mapper in mappers
    ]
    for status in (400, 403, 404, 405, 408, 413, 414, 415, 426, 431, 500, 502, 503, 504):
        assert any(first <= status <= last for first, last in ranges), status
    bodies = [mapper["body_format_override"]["json_format"] for mapper in mappers]
    assert all(body["details"][0]["domain"] == "myeye" and body["details"][0]["reason"] and body["code"] for body in bodies)
