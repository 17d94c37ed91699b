"""A picture that a real worker fetches from a real server of https, from the command line to the file with the boxes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import cv2

from harness.https import Authority, ok, serving


async def test_a_person_is_found_at_an_address(mesh_on, grace_hopper: Path, tmp_path: Path) -> None:
    authority, picture = Authority(tmp_path), await asyncio.to_thread(grace_hopper.read_bytes)
    async with serving(authority.server("localhost")) as host:
        host.answers["/grace_hopper.jpg"] = ok(picture)
        shared = ("--fetch-from", host.url(""), "--internal-networks", "127.0.0.0/8,::1/128", "--egress-ca", str(authority.ca))
        with mesh_on(gateway_flags=shared, worker_flags=shared) as mesh:
            output = tmp_path / "out"
            arguments = (
                "--target",
                mesh.target,
                "detect",
                "--output",
                str(output),
                host.url("/grace_hopper.jpg?signature=s3cr3t"),
            )
            myeye = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "myeye", *arguments, stdout=asyncio.subprocess.PIPE
            )
            told, _ = await myeye.communicate()
            assert myeye.returncode == 0
            logs = "".join(log.read_text() for log in mesh.folder.glob("*.log"))
    assert "person" in told.decode()
    assert cv2.imread(str(output / "grace_hopper.detected.jpg")).shape == (600, 512, 3)
    assert len(host.asked) == 1
    assert "s3cr3t" not in logs
