"""Detections a second through the whole mesh, beside processes that do nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.bare_loop import bare_loop
from bench.load import Pace, work_together
from bench.rounds import in_turn, pace_table
from bench.site import Site
from bench.stacks import REAL, Stack, running_mesh
from bench.table import Table
from worker.config import DEFAULT_MODEL
from worker.models import find

CLIENTS = 8
JOBS = {0.3: 120, 3.0: 120, 12.0: 60}
"""How many pictures of which size, in megapixels, each detector gets in a round."""

Subject = Callable[[Sequence[bytes], int], Pace]


def measure(site: Site) -> Iterator[Table]:
    model = find(DEFAULT_MODEL, None, Path("~/.cache/myeye/models").expanduser()).path
    photographs = {megapixels: site.plan.pictures.photographs(megapixels) for megapixels in site.plan.some(list(JOBS))}
    for detectors in (1, 2):
        with ExitStack() as running:
            subjects = _subjects(site, running, model, detectors)
            for megapixels, pictures in photographs.items():
                yield _table(site, subjects, detectors, megapixels, pictures)


def _subjects(site: Site, running: ExitStack, model: Path, detectors: int) -> dict[str, Subject]:
    loop = running.enter_context(bare_loop(model, detectors))
    subjects: dict[str, Subject] = {"bare loop": loop.run}
    for broker in site.brokers:
        folder = site.folder / f"detect-{detectors}-{broker.name}"
        mesh = running_mesh(folder, broker, workers=1, detectors=detectors, command=REAL)
        stack = running.enter_context(mesh)[1]
        subjects[stack.name] = _through(site, stack)
    return subjects


def _through(site: Site, stack: Stack) -> Subject:
    def work(pictures: Sequence[bytes], count: int) -> Pace:
        with stack.agreeing(count + CLIENTS):
            return site.client.run(work_together, stack.service, stack.roles, pictures, count, CLIENTS)

    return work


def _table(site: Site, subjects: dict[str, Subject], detectors: int, megapixels: float, pictures: Sequence[bytes]) -> Table:
    count = site.plan.count(JOBS[megapixels] * detectors)
    paces = in_turn(site.plan.rounds, list(subjects.values()), lambda subject: subject(pictures, count))
    size = sum(map(len, pictures)) // len(pictures)
    title = f"Detect, {detectors} detector process(es), {megapixels:g} megapixels, {size:,} bytes, {CLIENTS} clients"
    return pace_table(title, list(subjects), paces)
