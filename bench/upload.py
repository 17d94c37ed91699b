"""What an upload takes: time, and the memory of its gateway, whatever the size."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.site import Site
from bench.table import Table
from bench.usage import Memory
from harness.mesh import Mesh
from harness.process import Process
from myeye import Client

MB = 1_000_000
SIZES_MB = (30, 300, 1200)
COLUMNS = ("", "s", "CPU s", "RSS MB before", "RSS MB at most")


def measure(site: Site) -> Iterator[Table]:
    rows = [_of(site.folder / f"upload-{size_mb}", size_mb) for size_mb in site.plan.some(SIZES_MB)]
    yield Table("One upload over gRPC to a folder; the gateway's CPU time and memory", COLUMNS, rows)


def _of(folder: Path, size_mb: int) -> tuple[str, float, float, float, float]:
    """Upload random bytes to a gateway of their own."""
    with Mesh(folder, workers=0) as mesh, Client(mesh.target) as client:
        content = folder / "content"
        with content.open("wb") as file:
            for _ in range(size_mb):
                file.write(os.urandom(MB))
        gateway = mesh.gateways[0]
        before_mb, before_cpu_s, begun_s = Memory.of(gateway.pid).rss_mb, _cpu_s(gateway), time.monotonic()
        _forget_peak(gateway)
        client.upload(content)
        wall_s = time.monotonic() - begun_s
        return f"{size_mb} MB", wall_s, _cpu_s(gateway) - before_cpu_s, before_mb, _peak_mb(gateway)


def _cpu_s(process: Process) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system)


def _forget_peak(process: Process) -> None:
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def _peak_mb(process: Process) -> float:
    """Give the most memory since then, as the kernel counts it."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / MB
