"""python -m harness.dashboard FILE.jpg: the dashboard, with the figures of a mesh at work, as the real Prometheus shows it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import matplotlib
from playwright.async_api import async_playwright

from harness.dashboard.console import COLUMN_PX, COLUMNS, page
from harness.dashboard.load import load
from harness.mesh import Mesh
from harness.prometheus import LOADED, prometheus

LASTING_S = 120.0
LIMIT_S = 60.0
QUALITY = 60


async def shoot(address: str, seconds: float, picture: Path) -> None:
    """Take a picture of the console at `address`, of the last seconds."""
    shown = quote(json.dumps({"duration": int(seconds), "endTime": int(time.time())}))
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--disable-gpu", *as_root])
        tab = await chromium.new_page(viewport={"width": COLUMNS * COLUMN_PX + 30, "height": 800})
        await tab.goto(f"http://{address}/consoles/myeye.html#pctc{shown}", wait_until="networkidle")
        await tab.screenshot(path=picture, type="jpeg", quality=QUALITY, full_page=True)
        await chromium.close()


async def shoot_at_work(mesh: Mesh, address: str, picture: Path) -> None:
    """Have the mesh work for some time, and take the picture in the middle of it."""
    photograph = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg").read_bytes()  # noqa: ASYNC240 - nothing else runs
    working = asyncio.ensure_future(load(mesh, photograph, LASTING_S / 4, LASTING_S / 4))
    done, _ = await asyncio.wait({working}, timeout=LASTING_S)
    for ended in done:
        ended.result()  # why it ended
    await shoot(address, LASTING_S, picture)
    working.cancel()
    await asyncio.wait({working})


def main(picture: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="myeye-dashboard-") as name:
        folder = Path(name)
        consoles = folder / "consoles"
        consoles.mkdir()
        (consoles / "myeye.html").write_text(page())
        with Mesh(folder / "mesh", gateways=2, workers=2, edge=True, metrics=True) as mesh:
            watching, address = prometheus(folder, mesh.metrics, consoles)
            watching.start()
            try:
                watching.wait_for(LOADED, LIMIT_S)
                print(
                    f"a mesh works for {LASTING_S:g} seconds, and Prometheus looks on at http://{address}/consoles/myeye.html …"
                )
                asyncio.run(shoot_at_work(mesh, address, picture))
            finally:
                watching.stop()
    print(f"wrote {picture}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
