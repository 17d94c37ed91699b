"""What the documents say to type is typed, against a real installation, and does what they say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.mesh import Mesh
from myeye import Client

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients/python"
GRPCURL = """\
#!{python}
# There is no grpcurl among the packages that the tests can have: this makes the same call with buf curl.
import os, sys

options, (address, what) = sys.argv[1:-2], sys.argv[-2:]
assert options.pop(0) == "-plaintext"
assert not options or (options[0] == "-d" and len(options) == 2), options
method = f"/{{what}}" if "/" in what else ""
listed = [] if method else [{{"list": "--list-services"}}[what]]
buf = ["buf", "curl", "--http2-prior-knowledge", "--protocol", "grpc", *listed, *options, f"http://{{address}}{{method}}"]
os.execvp("buf", buf)
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one sits who reads the documents: an installation, a folder with a photograph, and a job that has ended."""

    mesh: Mesh
    folder: Path
    job: str

    def run(self, *command: str) -> str:
        """Run a command as it is written, but for where the service is and which job is meant, and give what it prints."""
        own = {"localhost:50051": self.mesh.target, "localhost:8080": self.mesh.edge_target}
        written = [re.sub(r"localhost:(50051|8080)|\bJOB\b", lambda found: own.get(found[0], self.job), part) for part in command]
        path = f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "MYEYE_TARGET": self.mesh.target}
        done = subprocess.run(written, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def type(self, script: str) -> str:
        """Type it into a shell; whatever fails in it is a failure."""
        return self.run("bash", "-euo", "pipefail", "-c", script)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, grace_hopper: Path) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    for name in ("photo.jpg", "scan.png"):
        shutil.copy(grace_hopper, folder / name)
    shutil.copytree(ROOT / "protos", folder / "protos")
    (folder / "bin").mkdir()
    (folder / "bin/grpcurl").write_text(GRPCURL.format(python=sys.executable))
    (folder / "bin/grpcurl").chmod(0o755)
    with Mesh(folder / "mesh", edge=True) as mesh, Client(mesh.target) as client:
        yield Desk(mesh, folder, client.detect(grace_hopper, annotate=True).id)


def blocks(path: Path, language: str = "", *, of: str = "") -> list[str]:
    """Give the examples of a document in which `of` is called."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text(), re.DOTALL | re.MULTILINE)
    return [block for kind, block in fenced if kind == language and of in block]


def test_grpcurl_and_buf_curl_of_the_readme_need_nothing_but_reflection(desk: Desk) -> None:
    grpcurl, buf = (blocks(ROOT / "README.md", of=tool) for tool in ("grpcurl -plaintext", "buf curl"))
    assert (len(grpcurl), len(buf)) == (1, 1)
    for script in (*grpcurl, *buf):
        told = desk.type(script)
        assert "myeye.v1.DetectionService" in told
        assert '"state": "STATE_SUCCEEDED"' in told, "the whole story of the job"


def test_curl_of_the_readme_speaks_rest(desk: Desk) -> None:
    (script,) = (block for block in blocks(ROOT / "README.md", of="curl -N") if "myeye --target" in block)
    told = desk.type(script)
    assert '"category":"person"' in told
    assert '"openapi"' in told
    assert (desk.folder / "annotated.jpg").read_bytes().startswith(b"\xff\xd8\xff")


def test_the_cookbook_can_be_cooked(desk: Desk) -> None:
    calls, more = blocks(ROOT / "clients/cookbook.md", "bash")
    told = desk.type(calls)
    assert '"category": "person"' in told
    assert "SERVING" in told
    assert "myeye.v1.BlobService" in told
    assert desk.type(more).count('"models"') == 4


@pytest.mark.parametrize("number", range(4), ids=["detect", "asyncio", "opencv", "many"])
def test_a_program_of_the_python_readme_runs(desk: Desk, number: int) -> None:
    programs = blocks(CLIENT / "README.md", "python")
    assert len(programs) == 4
    told = desk.run(sys.executable, "-W", "error", "-c", programs[number])
    assert "person" in told or "SUCCEEDED []" in told
    if number == 2:
        assert (desk.folder / "found.png").is_file()


def test_the_commands_of_the_python_readme_run(desk: Desk) -> None:
    (script,) = blocks(CLIENT / "README.md", "bash")
    told = desk.type(script)
    assert "SUCCEEDED" in told
    for path in ("photo.detected.jpg", "found/photo.detected.jpg"):
        assert (desk.folder / path).is_file()


@pytest.mark.parametrize("example", sorted(path.name for path in (CLIENT / "examples").glob("*.py")))
def test_an_example_of_the_python_client_runs(desk: Desk, example: str) -> None:
    assert "person" in desk.run(sys.executable, "-W", "error", str(CLIENT / "examples" / example), "localhost:50051", "photo.jpg")
