"""What health checks of containers run: `python -m dispatch.probe` and `edge.probe`, beside real processes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from harness.mesh import Mesh
from harness.ports import free_port
from harness.rabbit import RabbitNode

LIMIT_S = 60.0


@pytest.fixture
def sockets() -> Iterator[dict[str, str]]:
    """Where a gateway and a worker may tell of their health: paths that a socket has room for."""
    with tempfile.TemporaryDirectory() as folder:
        yield {name: str(Path(folder, name)) for name in ("gateway", "worker")}


def mesh_that_tells(folder: Path, sockets: dict[str, str], **settings) -> Mesh:
    flags = {f"{name}_flags": ("--health", path) for name, path in sockets.items()}
    return Mesh(folder, **flags, **settings)


def probed(module: str, *flags: str) -> tuple[int, str]:
    """Run a probe; give its status and what it said."""
    run = subprocess.run([sys.executable, "-m", module, *flags], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return run.returncode, (run.stdout + run.stderr).strip()


def test_what_serves_is_found_serving_until_it_has_ended(tmp_path: Path, sockets: dict[str, str]):
    with mesh_that_tells(tmp_path / "mesh", sockets, edge=True) as mesh:
        for socket in sockets.values():
            assert probed("dispatch.probe", "--health", socket) == (0, "SERVING")
        assert probed("edge.probe", "--listen", mesh.edge_target) == (0, "200")
    for socket in sockets.values():
        status, told = probed("dispatch.probe", "--health", socket, "--alive")
        assert (status, socket in told) == (1, True)
    assert probed("edge.probe", "--listen", mesh.edge_target)[0] == 1


def test_without_a_broker_they_are_alive_and_do_not_serve(tmp_path: Path, sockets: dict[str, str], rabbit_home: Path | None):
    with (
        RabbitNode(tmp_path / "rabbit", server=rabbit_home) as node,
        mesh_that_tells(tmp_path / "mesh", sockets, broker=node.url) as mesh,
    ):
        node.kill()
        with grpc.insecure_channel(mesh.target) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            told = stub.Watch(health_pb2.HealthCheckRequest(), timeout=LIMIT_S)
            assert any(answer.status == health_pb2.HealthCheckResponse.NOT_SERVING for answer in told)
            told.cancel()
            alive = stub.Check(health_pb2.HealthCheckRequest(service="alive"), timeout=LIMIT_S)
            assert alive.status == health_pb2.HealthCheckResponse.SERVING
        mesh.workers[0].wait_for("connection to RabbitMQ at .* lost", LIMIT_S)
        for socket in sockets.values():
            assert probed("dispatch.probe", "--health", socket) == (1, "NOT_SERVING")
            assert probed("dispatch.probe", "--health", socket, "--alive") == (0, "NOT_SERVING")


@pytest.mark.parametrize(("module", "flags"), [("dispatch.probe", ()), ("edge.probe", ("--idle", "0"))])
def test_a_probe_with_wrong_settings_says_so(module: str, flags: tuple[str, ...]):
    status, told = probed(module, *flags)
    assert (status, "--" in told) == (2, True)


def test_a_probe_of_no_edge_fails():
    assert probed("edge.probe", "--listen", f"127.0.0.1:{free_port()}")[0] == 1
