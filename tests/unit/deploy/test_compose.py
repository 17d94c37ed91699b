"""docker-compose.yml against its schema, and against what our programs take."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from dispatch.secrets import SECRETS as IN_FILES
from edge.config import read_order
from gateway.config import read_config as read_gateway_config
from scripts.make_secrets import FILES, PRIVATE
from tests.compose import FILE, ROOT, SECRETS, read_compose
from worker.config import read_config as read_worker_config

WEBHOOKS = ROOT / "deploy" / "compose" / "webhooks.yml"
OURS = ("gateway", "worker", "fetching-worker", "edge")
READ = ("MYEYE_TOKENS", "MYEYE_EDGE_TLS_CERTIFICATE", "MYEYE_EDGE_TLS_KEY")
"""Settings that are files."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file, with its defaults filled in."""
    return read_compose()


def seconds(text: str) -> int:
    assert text.endswith("s"), text
    return int(text[:-1])


def test_it_keeps_to_the_compose_specification():
    subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)], check=True, timeout=60
    )


def test_our_programs_take_their_settings(compose: dict[str, Any], tmp_path: Path):
    environment = {name: compose["services"][name]["environment"] for name in OURS}
    gateway = read_gateway_config([], environment["gateway"] | {"MYEYE_LISTEN": "0.0.0.0:50051"}, tmp_path)
    worker = read_worker_config([], environment["worker"], tmp_path)
    edge = read_order([], environment["edge"] | {"MYEYE_EDGE_LISTEN": "0.0.0.0:8080"}).config
    assert gateway.blobs == worker.blobs, "they meet there"
    assert [str(each) for each in edge.gateways] == ["gateway:50051"], "a name for as many as there are"
    for name, config in (("gateway", gateway), ("worker", worker), ("edge", edge)):
        assert seconds(compose["services"][name]["stop_grace_period"]) >= config.drain_s + 15, (
            f"{name} can drain before it is killed"
        )


def test_the_door_is_locked(compose: dict[str, Any], tmp_path: Path):
    environment = {name: compose["services"][name]["environment"] for name in OURS}
    gateway = read_gateway_config([], environment["gateway"] | {"MYEYE_LISTEN": "0.0.0.0:50051"}, tmp_path)
    edge = read_order([], environment["edge"] | {"MYEYE_EDGE_LISTEN": "0.0.0.0:8080"}).config
    assert gateway.identity.tokens
    assert edge.require_token
    assert edge.callers.certificate
    assert not edge.insecure
    assert gateway.insecure, "behind the edge, on a network that nothing leads into:"
    assert compose["services"]["gateway"]["networks"] == ["inside"]
    quota = gateway.fair_use.quota
    assert min(quota.jobs, quota.items, quota.bytes, quota.rate, quota.watches, quota.uploads) > 0, "each has a limit"


def test_every_secret_is_made_and_given_by_a_file_that_is_read(compose: dict[str, Any]):
    named = {name: secret["file"] for name, secret in compose["secrets"].items()}
    made = {f"{SECRETS}/{file}" for files in FILES.values() for file in files if file not in PRIVATE}
    assert set(named.values()) == made
    for service in compose["services"].values():
        given = [secret if isinstance(secret, str) else secret["source"] for secret in service.get("secrets", [])]
        assert set(given) <= set(named)
        for variable, value in service.get("environment", {}).items():
            if str(value).startswith("/run/secrets/"):
                assert value.removeprefix("/run/secrets/") in given
                assert variable.removesuffix("_FILE") in IN_FILES or variable.endswith("__FILE") or variable in READ


def test_nothing_stands_in_the_way_of_more_gateways_and_workers(compose: dict[str, Any]):
    for name in ("gateway", "worker"):
        assert not {"ports", "container_name", "hostname"} & set(compose["services"][name]), name


def test_ours_run_as_nobody_in_particular_and_write_nowhere_else(compose: dict[str, Any]):
    for name in OURS:
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "user" not in service, "the image's"


def test_every_service_has_limits_and_a_version_and_may_gain_nothing(compose: dict[str, Any]):
    for name, service in compose["services"].items():
        assert "no-new-privileges" in service["security_opt"], name
        assert re.search(r":v?\d", service["image"]) or name in OURS, name
        assert service.get("restart") == "no" or {"cpus", "memory", "pids"} == set(service["deploy"]["resources"]["limits"]), name


def test_only_the_loopback_address_is_open_and_what_works_cannot_call_out(compose: dict[str, Any]):
    services = compose["services"]
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name
            assert "outside" in service["networks"], name
    assert compose["networks"]["inside"]["internal"] is True
    assert {name for name in services if services[name]["networks"] == ["inside"]} >= {"gateway", "worker", "rabbitmq"}


def test_workers_that_fetch_are_others_in_a_network_with_a_way_out(compose: dict[str, Any], tmp_path: Path):
    fetching, worker = compose["services"]["fetching-worker"], compose["services"]["worker"]
    allowed = {"MYEYE_FETCH_FROM": "https://images.example.com,s3://photos/public"}
    for read, service in ((read_gateway_config, "gateway"), (read_worker_config, "fetching-worker")):
        environment = compose["services"][service]["environment"]
        assert environment["MYEYE_FETCH_FROM"] == "", "off by default"
        listen = {"MYEYE_LISTEN": "0.0.0.0:50051"} if service == "gateway" else {}
        assert read([], environment | allowed | listen, tmp_path).egress.fetch_from
    assert fetching["profiles"] == ["fetch"]
    assert set(fetching["networks"]) == {"inside", "egress"}
    assert "MYEYE_FETCH_FROM" not in worker["environment"]
    assert {name for name, each in compose["services"].items() if "egress" in each["networks"]} == {"fetching-worker"}
    assert {key: fetching[key] for key in ("image", "secrets", "volumes")} == {
        key: worker[key] for key in ("image", "secrets", "volumes")
    }


def test_gateways_get_a_way_out_only_with_webhooks(compose: dict[str, Any], tmp_path: Path):
    subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(WEBHOOKS)],
        check=True,
        timeout=60,
    )
    gateway, more = compose["services"]["gateway"], yaml.safe_load(WEBHOOKS.read_text())["services"]["gateway"]
    assert gateway["networks"] == ["inside"]
    assert set(more["networks"]) <= set(compose["networks"])
    environment = gateway["environment"] | more["environment"] | {"MYEYE_WEBHOOKS_TO": "https://hooks.example.com"}
    config = read_gateway_config([], environment | {"MYEYE_LISTEN": "0.0.0.0:50051"}, tmp_path)
    assert config.egress.webhooks_to
    assert str(config.webhooks.secrets) == "/run/secrets/webhook-secrets"


def test_what_is_mounted_is_there(compose: dict[str, Any]):
    mounts = [volume for service in compose["services"].values() for volume in service.get("volumes", [])]
    sources = [source for source, colon, _ in (mount.partition(":") for mount in mounts) if colon]
    assert {source for source in sources if not source.startswith(".")} == set(compose["volumes"])
    assert all((ROOT / source).exists() for source in sources if source.startswith("."))


def test_the_images_are_made_of_every_package():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    let_in = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {package.partition(".")[0] for package in packages} <= let_in
