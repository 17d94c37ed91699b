"""Nothing that a detector process does leaves the machine."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import matplotlib
import pytest

IDLE_S = 95.0
"""MediaPipe reports its use about a minute after it was started, and when it is closed."""

WORK = """
import asyncio, os, sys
from pathlib import Path

from worker.detection import DetectRequest
from worker.models import find
from worker.pool import Pool

async def main(picture, models, idle_s):
    pool = Pool.of(find("efficientdet-lite0", None, Path(models)), detectors=1, max_pixels=10_000_000)
    await pool.start()
    request = DetectRequest(Path(picture).read_bytes(), None, 10, (), (), annotate=True)
    for _ in range(2):
        outcome = await pool.detect(request, on_stage=lambda stage: None, timeout_s=60)
        await asyncio.sleep(float(idle_s) / 2)
    await pool.close()
    print("found", *(box.category for box in outcome.boxes))

asyncio.run(main(*sys.argv[1:]))
"""
ADDRESS = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\("|inet_pton\(AF_INET6, ")([^"]+)"')


@pytest.fixture
def models() -> Path:
    return Path(os.environ.get("MYEYE_MODELS") or "~/.cache/myeye/models").expanduser()


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_a_detector_process_speaks_to_nobody_outside(tmp_path: Path, models: Path) -> None:
    trace = tmp_path / "trace"
    picture = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
    process = await asyncio.create_subprocess_exec(
        *("strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(trace)),
        *(sys.executable, "-c", WORK, str(picture), str(models), str(IDLE_S)),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert "person" in output.decode()

    spoken = [line for line in trace.read_text().splitlines() if "AF_INET" in line]
    outside = [line for line in spoken if not ((found := ADDRESS.search(line)) and found[2] in ("127.0.0.1", "::1"))]
    assert outside == []
    assert any("htons(9)" in line for line in spoken), "it never tried to report its use: this test watches nothing"
