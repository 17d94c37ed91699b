"""The examples of the client's README do what they say."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[3] / "clients/python/README.md"


def examples(language):
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize(
    "command",
    [[sys.executable, "-c", example] for example in examples("python")] + [["bash", "-ec", e] for e in examples("bash")],
    ids=["python", "python-asyncio", "python-opencv", "python-many", "bash"],
)
async def test_an_example_runs(server, picture, tmp_path, command):
    shutil.copy(picture, tmp_path / "photo.jpg")
    shutil.copy(picture, tmp_path / "scan.png")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *(argument.replace("localhost:50051", server.target) for argument in command),
        cwd=tmp_path,
        env={**os.environ, "MYEYE_TARGET": server.target, "PATH": path},
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode == 0
    assert b"dog" in output or b"SUCCEEDED" in output
