"""Uploads through real gateways and the edge, some of which die meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path

import psutil
import pytest

from harness.mesh import Mesh
from myeye import AsyncClient
from myeye.v1.job_pb2 import STATE_SUCCEEDED

LIMIT_S = 100.0
README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def large_picture(tmp_path: Path, grace_hopper: Path) -> Path:
    """A photograph of 40 MB: what follows a JPEG's end is ignored."""
    path = tmp_path / "large.jpg"
    path.write_bytes(grace_hopper.read_bytes() + os.urandom(40_000_000))
    return path


def durable(mesh: Mesh) -> int:
    """Count the bytes of uploads that the gateways have stored."""
    return sum(path.stat().st_size for path in (mesh.folder / "blobs").glob("*/uploads~*"))


@pytest.mark.parametrize("through", ["the edge", "the gateway"])
async def test_an_upload_goes_on_when_its_gateway_is_killed(tmp_path: Path, large_picture: Path, through: str) -> None:
    """Behind the edge another gateway goes on with it, without an edge the same one, started again."""
    body = large_picture.read_bytes()  # noqa: ASYNC240 - nothing else goes on yet
    cut: list[int] = []
    resumed: list[int] = []
    with Mesh(tmp_path / "mesh", gateways=2, edge=through == "the edge") as mesh:
        first = mesh.gateways[0]
        heir = mesh.gateways[1] if mesh.edges else first
        mesh.gateways[1].kill()

        def told(_: str, now: int, __: int) -> None:
            if not cut and durable(mesh) > len(body) / 5:
                first.kill()
                heir.start()
                cut.append(now)
            resumed.extend([now] if cut and now <= cut[0] else [])

        async with AsyncClient(mesh.edge_target if mesh.edges else mesh.target) as client, asyncio.timeout(LIMIT_S):
            job = await client.detect(large_picture, on_upload=told)
            assert await client.download(job.id, annotated=False) == body
    assert job.state == STATE_SUCCEEDED
    assert job.items[0].result.detections[0].category == "person"
    assert min(resumed) > len(body) / 5, "it did not begin anew"


async def test_an_upload_goes_on_when_there_is_room_again(tmp_path: Path, large_picture: Path) -> None:
    """The gateway may not write files as large as a part for a while, which fails as a full disk does."""
    size = large_picture.stat().st_size  # noqa: ASYNC240 - nothing else goes on yet
    full: list[int] = []
    resumed: list[int] = []
    with Mesh(tmp_path / "mesh", workers=0) as mesh:
        gateway = psutil.Process(mesh.gateways[0].pid)

        def told(now: int, _: int) -> None:
            if not full and durable(mesh) > size / 5:
                full.append(now)
                gateway.rlimit(psutil.RLIMIT_FSIZE, (1_000_000, psutil.RLIM_INFINITY))
            elif full and not resumed and now < max(full):
                gateway.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
                resumed.append(now)
            elif full and not resumed:
                full.append(now)

        async with AsyncClient(mesh.target) as client, asyncio.timeout(LIMIT_S):
            upload = await client.upload(large_picture, progress=told)
    assert upload.complete
    assert resumed[0] > size / 5, "it did not begin anew"


def test_the_lines_of_the_readme_upload_in_pieces(tmp_path: Path, large_picture: Path) -> None:
    (lines,) = (block for block in README.read_text().split("```") if "/v1/uploads/" in block)
    large_picture.rename(tmp_path / "clip.mp4")
    with Mesh(tmp_path / "mesh", edge=True) as mesh:
        script = lines.replace("localhost:8080", mesh.edge_target)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    decoder, answers, text = json.JSONDecoder(), [], done.stdout
    while text:
        answer, end = decoder.raw_decode(text)
        answers.append(answer)
        text = text[end:].lstrip()
    told = [answer["upload"] for answer in answers if "upload" in answer]
    assert [each["received_bytes"] for each in told[:2]] == [str(16 * 1024 * 1024), str(32 * 1024 * 1024)]
    assert told[-1]["complete"]
    assert answers[-1]["job"]["state"] in ("STATE_QUEUED", "STATE_RUNNING")
