"""The manifests, put together by kustomize, against Kubernetes' schemas and against what our programs take."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from edge.config import read_order
from gateway.config import read_config as read_gateway_config
from gateway.health import ALIVE
from scripts.make_secrets import FILES
from worker.config import read_config as read_worker_config

ROOT = Path(__file__).parents[3]
OVERLAYS = ("small", "production")
PARTS = ("gateway", "worker", "edge")
VERSIONS = ("1.30", "1.37")
NOT_OURS = {"ScaledObject"}
"""Kinds that others define, for which there is no schema at hand."""

Manifests = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module", params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> Manifests:
    """What an overlay comes to, by kind and name."""
    folder = ROOT / "deploy" / "kubernetes" / "overlays" / request.param
    run = subprocess.run(
        [str(Path(sys.executable).with_name("kubectl")), "kustomize", str(folder)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(run.stdout)}


def pod(manifests: Manifests, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = manifests["Deployment", name]["spec"]["template"]["spec"]
    return spec


def environment(manifests: Manifests, name: str) -> dict[str, str]:
    (container,) = pod(manifests, name)["containers"]
    maps = [manifests["ConfigMap", each["configMapRef"]["name"]]["data"] for each in container.get("envFrom", [])]
    return {key: value for each in maps for key, value in each.items()} | {
        each["name"]: each["value"] for each in container["env"]
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_they_keep_to_the_schemas(manifests: Manifests, version: str):
    for (kind, _), manifest in manifests.items():
        if kind not in NOT_OURS:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_our_programs_take_their_settings_and_can_drain_in_time(manifests: Manifests, tmp_path: Path):
    gateway = read_gateway_config([], environment(manifests, "gateway") | {"MYEYE_LISTEN": "0.0.0.0:50051"}, tmp_path)
    worker = read_worker_config([], environment(manifests, "worker"), tmp_path)
    edge = read_order([], environment(manifests, "edge") | {"MYEYE_EDGE_LISTEN": "0.0.0.0:8080"}).config
    assert gateway.blobs == worker.blobs
    assert [str(each) for each in edge.gateways] == ["gateway:50051"]
    assert manifests["Service", "gateway"]["spec"]["clusterIP"] == "None", "or the edge would see one address"
    for name, config in (("gateway", gateway), ("worker", worker), ("edge", edge)):
        assert pod(manifests, name)["terminationGracePeriodSeconds"] >= config.drain_s + 15


def test_the_door_is_locked(manifests: Manifests, tmp_path: Path):
    gateway = read_gateway_config([], environment(manifests, "gateway") | {"MYEYE_LISTEN": "0.0.0.0:50051"}, tmp_path)
    edge = read_order([], environment(manifests, "edge") | {"MYEYE_EDGE_LISTEN": "0.0.0.0:8080"}).config
    assert gateway.identity.tokens
    assert edge.require_token
    assert not edge.insecure
    assert gateway.insecure, "behind the edge:"
    (ingress,) = manifests["NetworkPolicy", "gateway"]["spec"]["ingress"]
    (source,) = ingress["from"]
    assert source["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "edge"
    quota = gateway.fair_use.quota
    assert min(quota.jobs, quota.items, quota.bytes, quota.rate, quota.watches, quota.uploads) > 0
    (container,) = pod(manifests, "edge")["containers"]
    assert container["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"


def test_secrets_are_files_that_make_secrets_makes_and_none_more_than_is_read(manifests: Manifests):
    made = {file for files in FILES.values() for file in files}
    for name in ("gateway", "worker"):
        (mounted,) = (each["secret"]["items"] for each in pod(manifests, name)["volumes"] if "secret" in each)
        files = {each["path"] for each in mounted}
        assert files <= made
        read = {value for value in environment(manifests, name).values() if value.startswith("/run/secrets/")}
        assert read == {f"/run/secrets/myeye/{file}" for file in files}


@pytest.mark.parametrize("name", PARTS)
def test_pods_may_do_nothing_and_are_limited(manifests: Manifests, name: str):
    spec = pod(manifests, name)
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    held = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert container["securityContext"] == held
    assert "memory" in container["resources"]["limits"]
    assert re.search(r":\d", container["image"])
    assert {"readinessProbe", "livenessProbe"} <= set(container)
    assert ("PodDisruptionBudget", name) in manifests


def test_a_gateway_is_replaced_only_when_it_does_not_answer_at_all(manifests: Manifests):
    (container,) = pod(manifests, "gateway")["containers"]
    assert container["livenessProbe"]["grpc"]["service"] == ALIVE
    assert "service" not in container["readinessProbe"]["grpc"]


def test_selectors_and_network_policies_choose_pods_that_there_are(manifests: Manifests):
    pods = [
        each["spec"]["template"]["metadata"]["labels"]
        for (kind, _), each in manifests.items()
        if kind in {"Deployment", "StatefulSet"}
    ]
    for (kind, name), manifest in manifests.items():
        if kind == "NetworkPolicy":
            labels = manifest["spec"]["podSelector"].get("matchLabels", {})
        elif kind == "PodDisruptionBudget":
            labels = manifest["spec"]["selector"]["matchLabels"]
        elif kind == "Service":
            labels = manifest["spec"]["selector"]
        else:
            continue
        assert any(labels.items() <= each.items() for each in pods), (kind, name)


def test_workers_are_scaled_by_a_metric_that_gateways_tell():
    scaled = yaml.safe_load((ROOT / "deploy/kubernetes/components/keda/scaled-object.yaml").read_text())["spec"]
    assert scaled["scaleTargetRef"]["name"] == "worker"
    (trigger,) = scaled["triggers"]
    (metric,) = re.findall(r"myeye_\w+", trigger["metadata"]["query"])
    assert f"`{metric}` | `model`, `lane`" in (ROOT / "docs" / "metrics.md").read_text()
