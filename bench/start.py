"""A worker that is started while a picture waits: how soon its client has the result, and how large the detector is then."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.rounds import in_turn, ratio
from bench.services import Service
from bench.site import Site
from bench.stacks import REAL, START_LIMIT_S, Stack, running_mesh
from bench.table import Table, median
from bench.usage import Memory, children
from harness.mesh import Mesh
from harness.process import Process
from worker.config import DEFAULT_MODEL
from worker.models import find

MEGAPIXELS = 3.0
COLUMNS = ("", "to the first detection, s", "ratio", "detector RSS MB", "PSS MB", "worker RSS MB")


@dataclass(frozen=True, slots=True)
class _Start:
    """Seconds from the start of the process, and memory after it; the worker is the process that has started the detector."""

    taken_s: float
    detector: Memory
    worker: Memory | None = None


def measure(site: Site) -> Iterator[Table]:
    picture = site.plan.pictures.photographs(MEGAPIXELS)[0]
    with ExitStack() as running:
        subjects: dict[str, Callable[[], _Start]] = {"bare loop": lambda: _bare(site, picture)}
        for broker in site.brokers:
            folder = site.folder / f"start-{broker.name}"
            mesh, stack = running.enter_context(running_mesh(folder, broker, workers=1, detectors=1, command=REAL))
            subjects[stack.name] = _worker(site, mesh, stack, picture)
        starts = in_turn(site.plan.rounds, list(subjects.values()), lambda subject: subject())
    rows = []
    for name, own in zip(subjects, starts, strict=True):
        taken_s = [start.taken_s for start in own]
        rss_mb, pss_mb = (median(getattr(start.detector, kind) for start in own) for kind in ("rss_mb", "pss_mb"))
        workers_mb = [start.worker.rss_mb for start in own if start.worker]
        times = (median(taken_s), ratio(taken_s, [start.taken_s for start in starts[0]]))
        rows.append((name, *times, rss_mb, pss_mb, median(workers_mb) if workers_mb else None))
    yield Table(f"A worker's start with a picture of {MEGAPIXELS:g} megapixels waiting", COLUMNS, rows)


def _bare(site: Site, picture: bytes) -> _Start:
    model = find(DEFAULT_MODEL, None, Path("~/.cache/myeye/models").expanduser()).path
    file = site.folder / "first.jpg"
    file.write_bytes(picture)
    process = Process("bare", (sys.executable, "-m", "bench.bare_start", str(model), str(file)), log=site.folder / "bare.log")
    begun_s = time.monotonic()
    process.start()
    try:
        process.wait_for("found", START_LIMIT_S)
        return _Start(time.monotonic() - begun_s, Memory.of(process.pid))
    finally:
        process.kill()


def _worker(site: Site, mesh: Mesh, stack: Stack, picture: bytes) -> Callable[[], _Start]:
    worker = mesh.workers[0]

    def start() -> _Start:
        worker.stop()
        job = site.client.run(submit_one, stack.service, picture)
        begun_s = time.monotonic()
        worker.start()
        site.client.run(_done, stack.service, job)
        taken_s = time.monotonic() - begun_s
        worker.wait_for(r"worker \S+ ready", START_LIMIT_S)
        return _Start(taken_s, Memory.of(children(worker.pid)[0]), Memory.of(worker.pid))

    return start


async def submit_one(service: Service, picture: bytes) -> str:
    async with service.connect() as connection:
        return await connection.submit(picture)


async def _done(service: Service, job: str) -> None:
    async with service.connect() as connection, asyncio.timeout(START_LIMIT_S):
        await connection.done(job)
