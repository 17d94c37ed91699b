"""More workers: how much of what each could do alone they do together, with detectors that only sleep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from bench.load import Pace, work_together
from bench.rounds import in_turn, ratio
from bench.site import Site
from bench.stacks import Stack, running_mesh
from bench.table import Table, median

WORKERS = (1, 2, 4, 8)
SLEEP_S = 0.25
"""Long enough for the machine to be idle: only the sharing of the work is to be measured."""
JOBS_A_WORKER = 40
WAITING_A_WORKER = 4
SIZE_BYTES = 1_000
COMMAND = ("-m", "bench.sleeping_worker", str(SLEEP_S))
COLUMNS = ("", "workers", "per s", "of the sleep's limit", "of one worker's rate times their number", "foreign CPU")


def measure(site: Site) -> Iterator[Table]:
    for broker in site.brokers:
        with ExitStack() as running:
            stacks = []
            for workers in WORKERS:
                folder = site.folder / f"workers-{workers}-{broker.name}"
                mesh = running_mesh(folder, broker, workers=workers, detectors=1, command=COMMAND)
                stacks.append(running.enter_context(mesh)[1])
            subjects = list(zip(WORKERS, stacks, strict=True))
            paces = in_turn(site.plan.rounds, subjects, lambda subject: _pace(site, *subject))
        rates = [[pace.rate for pace in own] for own in paces]
        rows = [
            (
                stack.name,
                workers,
                median(own),
                median(own) * SLEEP_S / workers,
                ratio(own, rates[0]) / workers,
                f"{median(pace.usage.others for pace in paces[i]):.0%}",
            )
            for i, (own, (workers, stack)) in enumerate(zip(rates, subjects, strict=True))
        ]
        yield Table(f"Workers with one detector each that sleeps {SLEEP_S:g} s, {broker.name}", COLUMNS, rows)


def _pace(site: Site, workers: int, stack: Stack) -> Pace:
    count, clients = site.plan.count(JOBS_A_WORKER) * workers, WAITING_A_WORKER * workers
    pictures = site.plan.pictures.noises(SIZE_BYTES)
    return site.client.run(work_together, stack.service, stack.roles, pictures, count, clients)
