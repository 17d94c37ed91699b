"""Detections a second through the whole mesh, beside processes that do nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.bare_loop import bare_loop
from bench.load import Pace, work_together
from bench.pictures import photograph
from bench.rounds import in_turn, pace_table
from bench.site import Site
from bench.stacks import REAL, Stack, running_mesh
from bench.table import Table
from worker.config import DEFAULT_MODEL
from worker.models import find

CLIENTS = 8
JOBS = {0.3: 120, 3.0: 120, 12.0: 60}
"""How many pictures of which size, in megapixels, each detector gets in a round."""

Subject = Callable[[bytes, int], Pace]


def measure(site: Site) -> Iterator[Table]:
    model = find(DEFAULT_MODEL, None, Path("~/.cache/myeye/models").expanduser()).path
    pictures = {megapixels: photograph(megapixels) for megapixels in site.plan.some(list(JOBS))}
    for detectors in (1, 2):
        with ExitStack() as running:
            subjects = _subjects(site, running, model, detectors)
            for megapixels, picture in pictures.items():
                yield _table(site, subjects, detectors, megapixels, picture)


def _subjects(site: Site, running: ExitStack, model: Path, detectors: int) -> dict[str, Subject]:
    loop = running.enter_context(bare_loop(model, detectors))
    subjects: dict[str, Subject] = {"bare loop": lambda picture, count: loop.run([picture], count)}
    for broker in site.brokers:
        folder = site.folder / f"detect-{detectors}-{broker.name}"
        mesh = running_mesh(folder, broker, workers=1, detectors=detectors, command=REAL)
        stack = running.enter_context(mesh)[1]
        subjects[stack.name] = _through(site, stack)
    return subjects


def _through(site: Site, stack: Stack) -> Subject:
    return lambda picture, count: site.client.run(work_together, stack.service, stack.roles, [picture], count, CLIENTS)


def _table(site: Site, subjects: dict[str, Subject], detectors: int, megapixels: float, picture: bytes) -> Table:
    count = site.plan.count(JOBS[megapixels] * detectors)
    paces = in_turn(site.plan.rounds, list(subjects.values()), lambda subject: subject(picture, count))
    title = f"Detect, {detectors} detector process(es), {megapixels:g} megapixels, {len(picture):,} bytes, {CLIENTS} clients"
    return pace_table(title, list(subjects), paces)
