"""The images, run as containers are: make images && make check-images. Not part of the check, for it needs root and buildah."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest

from harness.container import Container, Image, buildah, first, stop
from harness.ports import free_port
from harness.process import Process
from harness.rabbit import RabbitNode
from myeye import Client, Unauthenticated, Unavailable
from scripts.make_secrets import make
from tests.compose import ROOT, read_compose

PREFIX = os.environ.get("MYEYE_IMAGES", "localhost/myeye")
VERSION = os.environ.get("MYEYE_VERSION", "dev")
PARTS = ("gateway", "worker", "edge")
MODELS = ("efficientdet-lite0", "efficientdet-lite0-litert")
"""The second where the worker was built with EXTRAS=litert."""
LIMIT_S = 60.0
USER = 10001


@pytest.fixture(scope="module")
def images() -> Iterator[dict[str, Image]]:
    """The three images, unpacked."""
    containers = {part: f"check-{part}-{uuid.uuid4().hex[:8]}" for part in PARTS}
    try:
        yield {part: Image.unpacked(f"{PREFIX}/{part}:{VERSION}", name) for part, name in containers.items()}
    finally:
        for name in containers.values():
            buildah("rm", name)


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RabbitNode, Path]]:
    """A RabbitMQ with the settings of the deployment, and the folder of its secrets, whose address leads to it."""
    folder = tmp_path_factory.mktemp("rabbit")
    secrets = folder / "secrets"
    make(secrets)
    node = RabbitNode(folder / "node", definitions=secrets / "broker-definitions.json")
    (secrets / "broker").write_text((secrets / "broker").read_text().replace("rabbitmq:5672", f"127.0.0.1:{node.port}"))
    with node:
        yield node, secrets


def test_a_picture_goes_through_gateway_worker_and_edge(
    images: dict[str, Image], rabbit: tuple[RabbitNode, Path], tmp_path_factory: pytest.TempPathFactory
):
    folder = tmp_path_factory.mktemp("containers")
    _, secrets = rabbit
    password = (secrets / "broker").read_text().split("@")[0].rpartition(":")[2]
    for name in ("blobs", "scratch"):
        (folder / name).mkdir()
        os.chown(folder / name, USER, USER)
    reached = folder / "secrets"
    shutil.copytree(secrets, reached)
    reached.chmod(0o755)  # a runtime lays single files over; here the folder is
    gateway_at, edge_at, *metrics_at = (f"127.0.0.1:{free_port()}" for _ in range(5))
    has_litert = Container(image=images["worker"]).run("python", "-c", "import ai_edge_litert").returncode == 0
    models = MODELS if has_litert else MODELS[:1]
    own = {
        "gateway": {"MYEYE_LISTEN": gateway_at, "MYEYE_METRICS": metrics_at[0]},
        "worker": {"MYEYE_METRICS": metrics_at[1], "MYEYE_MODEL": ",".join(models)},
        "edge": {"MYEYE_EDGE_LISTEN": edge_at, "MYEYE_GATEWAYS": gateway_at, "MYEYE_EDGE_METRICS": metrics_at[2]},
    }
    volumes = {
        "gateway": {folder / "blobs": "/var/lib/myeye/blobs", reached: "/run", ROOT / "deploy" / "gateway": "/mnt"},
        "worker": {folder / "blobs": "/var/lib/myeye/blobs", reached: "/run", folder / "scratch": "/var/lib/myeye/scratch"},
        "edge": {reached: "/run"},
    }
    compose = read_compose()
    containers = {
        part: Container(
            image=images[part], environment=inside(compose["services"][part]["environment"]) | own[part], volumes=volumes[part]
        )
        for part in PARTS
    }
    ready = {"gateway": "health: SERVING", "worker": r"worker \S+ ready", "edge": r"gateway \S+ is healthy"}
    processes = {name: container.process(name, folder / f"{name}.log") for name, container in containers.items()}
    try:
        for name, process in processes.items():
            process.start()
            process.wait_for(ready[name], LIMIT_S)
        with Client(edge_at, timeout_s=1) as stranger, pytest.raises(Unavailable):
            stranger.capabilities()
        with Client(edge_at, ca=secrets / "edge-certificate.pem") as stranger, pytest.raises(Unauthenticated):
            stranger.capabilities()
        with Client(edge_at, ca=secrets / "edge-certificate.pem", token_file=secrets / "token") as client:
            for model in models:
                job = client.detect(
                    Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg", model=model, annotate=True
                )
                assert "person" in {found.category for found in job.items[0].result.detections}, model

        for name, process in processes.items():
            program = first(process)
            assert set(program.uids()) == {USER}, name
            assert password not in " ".join([*program.cmdline(), *program.environ().values()]), "secrets are in files"
            memory = sum(each.memory_full_info().pss for each in (program, *program.children(recursive=True)))
            print(f"{name}: {memory / 1e6:.0f} MB PSS")
        for name, process in processes.items():
            checked = containers[name].check(process)
            assert checked.returncode == 0, checked.stderr
        for name, process in processes.items():
            assert stop(process, LIMIT_S) == 0, f"{name} stops in order"
        assert all(password not in (folder / f"{name}.log").read_text() for name in processes)
    finally:
        end(list(processes.values()))


def inside(environment: dict[str, str]) -> dict[str, str]:
    """Give an environment of the compose file with its files where our containers have them, whose roots lack those folders."""
    certificate = {"/run/secrets/edge-certificate": "/run/edge-certificate.pem", "/run/secrets/edge-key": "/run/edge-key.pem"}
    moved = {name: certificate.get(str(value), str(value)) for name, value in environment.items()}
    return {name: value.replace("/run/secrets/", "/run/").replace("/etc/myeye/", "/mnt/") for name, value in moved.items()}


def end(processes: list[Process]) -> None:
    for process in processes:
        if process.running:
            process.kill()


@pytest.mark.parametrize("part", PARTS)
def test_nobody_can_write_to_the_tree_or_become_another(images: dict[str, Image], part: str):
    container = Container(image=images[part])
    for path in ("/opt/myeye/x", "/etc/x", "/var/lib/myeye/x", "/usr/bin/x"):
        refused = container.run("touch", path)
        assert refused.returncode == 1, path
        assert "Read-only file system" in refused.stderr or "Permission denied" in refused.stderr, path
    assert container.run("touch", "/tmp/x").returncode == 0
    assert container.run("id", "--user").stdout.strip() == str(USER)
    assert container.run("grep", "CapBnd", "/proc/self/status").stdout.split()[1] == "0" * 16


@pytest.mark.parametrize("part", PARTS)
def test_each_image_holds_what_its_part_needs_and_no_more(images: dict[str, Image], part: str):
    container = Container(image=images[part])
    wanted = {"gateway": "gateway.server", "worker": "worker.detector", "edge": "edge.supervisor"}
    assert container.run("python", "-c", f"import {wanted[part]}").returncode == 0
    if part != "worker":
        assert container.run("python", "-c", "import cv2").returncode == 1
        assert container.run("python", "-c", "import mediapipe").returncode == 1
    assert container.run("python", "-c", "import pip, setuptools").returncode == 1


def test_the_worker_holds_its_model(images: dict[str, Image]):
    checked = Container(image=images["worker"]).run("python", "-m", "worker.models")
    assert (checked.returncode, "is there" in checked.stdout) == (0, True), "with the hash that it must have"


def test_the_edges_configuration_is_sound(images: dict[str, Image]):
    validated = Container(image=images["edge"]).run("python", "-m", "edge", "--insecure", "--validate")
    assert "sound" in validated.stdout, validated.stderr
