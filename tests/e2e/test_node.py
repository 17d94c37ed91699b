"""gRPC-Web from Node, with the client and the generated code that a user would take."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.mesh import Mesh

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(__file__).with_name("node")
BUILT = ROOT / ".build/node"
BUF = str(Path(sys.executable).with_name("buf"))
LIMIT_S = 100


@pytest.fixture(scope="session")
def node_client() -> Path:
    """Install Node's packages and generate its code, where the last time's are not of today's contracts."""
    sources = sorted([*SOURCE.iterdir(), *(ROOT / "protos/myeye").rglob("*.proto")])
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = BUILT / "stamp"
    if not (stamp.exists() and stamp.read_text() == wanted):
        shutil.rmtree(BUILT, ignore_errors=True)
        shutil.copytree(SOURCE, BUILT)
        run("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")
        run(sys.executable, str(ROOT / "scripts/generate_protos.py"), "--imports")
        run(BUF, "generate", str(ROOT / "protos"), "--template", "buf.gen.yaml", "--path", str(ROOT / "protos/myeye"))
        stamp.write_text(wanted)
    return BUILT


def run(*command: str) -> str:
    """Run in the folder of the client, and give what it says."""
    done = subprocess.run(command, cwd=BUILT, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("http_version", ["1.1", "2"])
def test_grpc_web_calls_and_streams_from_node(node_client: Path, tmp_path: Path, grace_hopper: Path, http_version: str):
    with Mesh(tmp_path / "mesh", edge=True) as mesh:
        told = json.loads(run("node", "detect.mjs", f"http://{mesh.edge_target}", str(grace_hopper), http_version))
    assert told == {
        "events": [[1, "jobAccepted"], [2, "itemStarted"], [3, "itemFinished"], [4, "jobFinished"]],
        "found": ["person"],
        "state": "SUCCEEDED",
        "whole": True,
        "refusal": "NotFound",
        "streamRefusal": "NotFound",
    }
