"""Gateway and edge with the settings of the compose file and the secrets that are made for it: who is let in, and who is not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import myeye
from harness.mesh import Mesh
from scripts.make_secrets import FIRST, make
from tests.compose import environment_outside, read_compose

LIMIT_S = 60.0


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("locks") / "secrets"
    make(folder, ["eyes.example.org"])
    return folder


@pytest.fixture(scope="module")
def environment(secrets: Path) -> dict[str, str]:
    compose = read_compose()
    return environment_outside(compose, "gateway", secrets) | environment_outside(compose, "edge", secrets)


@pytest.fixture(scope="module")
def deployed(secrets: Path, environment: dict[str, str]) -> Iterator[Mesh]:
    with Mesh(secrets.parent / "mesh", workers=0, edge=True, environment=environment) as mesh:
        yield mesh


def test_the_first_token_opens_it_for_who_trusts_its_certificate(deployed: Mesh, secrets: Path):
    with myeye.Client(deployed.edge_target, ca=secrets / "edge-certificate.pem", token_file=secrets / "token") as client:
        job = client.submit(b"picture")
        assert job.principal == FIRST
        told = client.capabilities()
    assert told.quota.max_jobs > 0
    assert told.quota.max_calls_per_second > 0


def test_without_a_token_it_stays_shut(deployed: Mesh, secrets: Path):
    certificate = secrets / "edge-certificate.pem"
    hashed = (secrets / "tokens").read_text().strip().rpartition(":")[2]
    for token, reason in ((None, "TOKEN_MISSING"), (hashed, "TOKEN_INVALID")):
        with (
            myeye.Client(deployed.edge_target, ca=certificate, token=token) as client,
            pytest.raises(myeye.Unauthenticated) as caught,
        ):
            client.capabilities()
        assert caught.value.reason == reason
    with myeye.Client(deployed.target) as client, pytest.raises(myeye.Unauthenticated):
        client.capabilities()  # nor past the edge


def test_it_speaks_no_plain_text(deployed: Mesh):
    host, port = deployed.edge_target.split(":")
    with socket.create_connection((host, int(port)), LIMIT_S) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.recv(64) == b""


def test_its_health_check_finds_it(deployed: Mesh, environment: dict[str, str]):
    settings = {**os.environ, **environment, "MYEYE_EDGE_LISTEN": deployed.edge_target}
    command = [sys.executable, "-m", "edge.probe"]
    assert subprocess.run(command, env=settings, timeout=LIMIT_S, check=False).returncode == 0


def test_a_token_more_is_known_at_once(deployed: Mesh, secrets: Path):
    command = [sys.executable, "-m", "gateway.tokens", "ann", "--file", str(secrets / "tokens")]
    token = subprocess.run(command, check=True, capture_output=True, text=True, timeout=LIMIT_S).stdout.strip()
    with myeye.Client(deployed.edge_target, ca=secrets / "edge-certificate.pem", token=token) as client:
        assert list(client.list()) == [], "and sees nothing of others"
