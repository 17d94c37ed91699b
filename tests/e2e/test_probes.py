"""What health checks of containers run: `python -m gateway.probe`, `worker.probe` and `edge.probe`, beside real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from harness.mesh import Mesh
from harness.ports import free_port
from harness.rabbit import RabbitNode

LIMIT_S = 60.0


def probed(module: str, *flags: str) -> tuple[int, str]:
    """Run a probe; give its status and what it said."""
    run = subprocess.run([sys.executable, "-m", module, *flags], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return run.returncode, (run.stdout + run.stderr).strip()


def test_all_that_serves_is_found_serving(tmp_path: Path):
    health = tmp_path / "health"
    with Mesh(tmp_path / "mesh", edge=True, worker_flags=("--health", str(health))) as mesh:
        assert probed("gateway.probe", "--listen", mesh.target) == (0, "SERVING")
        assert probed("worker.probe", "--health", str(health)) == (0, "SERVING")
        assert probed("edge.probe", "--listen", mesh.edge_target) == (0, "200")
    assert probed("gateway.probe", "--listen", mesh.target)[0] == 1
    status, told = probed("worker.probe", "--health", str(health), "--alive")
    assert (status, str(health) in told) == (1, True)
    assert probed("edge.probe", "--listen", mesh.edge_target)[0] == 1


def test_without_a_broker_they_are_alive_and_do_not_serve(tmp_path: Path, rabbit_home: Path | None):
    health = tmp_path / "health"
    with (
        RabbitNode(tmp_path / "rabbit", server=rabbit_home) as node,
        Mesh(tmp_path / "mesh", broker=node.url, worker_flags=("--health", str(health))) as mesh,
    ):
        node.kill()
        with grpc.insecure_channel(mesh.target) as channel:
            told = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=LIMIT_S)
            assert any(answer.status == health_pb2.HealthCheckResponse.NOT_SERVING for answer in told)
            told.cancel()
        mesh.workers[0].wait_for("connection to RabbitMQ at .* lost", LIMIT_S)
        assert probed("gateway.probe", "--listen", mesh.target) == (1, "NOT_SERVING")
        assert probed("worker.probe", "--health", str(health)) == (1, "NOT_SERVING")
        assert probed("worker.probe", "--health", str(health), "--alive") == (0, "NOT_SERVING")
        with grpc.insecure_channel(mesh.target) as channel:
            alive = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="alive"), timeout=LIMIT_S)
        assert alive.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(
    ("module", "flags"),
    [
        ("gateway.probe", ("--listen", "x")),
        ("worker.probe", ()),
        ("worker.probe", ("--detectors", "0")),
        ("edge.probe", ("--idle", "0")),
    ],
)
def test_a_probe_with_wrong_settings_says_so(module: str, flags: tuple[str, ...]):
    status, told = probed(module, *flags)
    assert status == 2
    assert told.startswith("probe: --")


def test_a_probe_of_nothing_fails():
    assert probed("gateway.probe", "--listen", f"127.0.0.1:{free_port()}")[0] == 1
