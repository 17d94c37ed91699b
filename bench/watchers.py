"""Many who watch and hear nothing: what each costs the gateway, and how long it takes until all have heard one event."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from bench.crowd import BareStage, Crowd, JobStage, gather_crowd
from bench.rounds import in_turn, ratio
from bench.site import Site
from bench.stacks import START_LIMIT_S, Broker, place_of, running_mesh
from bench.table import Cell, Table, median
from harness.ports import free_port
from harness.process import Process

WATCHERS = 5_000
EVENTS = 10
FIRST_BYTES, NEXT_BYTES = 1_000, 60
"""About the sizes of the snapshot of a job with so many items, and of the start of an item."""
COLUMNS = (
    "",
    "watchers",
    "KB a watcher",
    "ratio",
    "one event to all, ms",
    "ratio",
    "CPU ms of the server",
    "ratio",
    "quiet, % of a core",
)


def measure(site: Site) -> Iterator[Table]:
    watchers = site.plan.count(WATCHERS)
    subjects: dict[str, Callable[[int], Crowd]] = {
        "bare streams": lambda number: _bare(site, number, watchers),
        "myeye": lambda number: _ours(site, number, watchers),
    }
    rounds = iter(range(site.plan.rounds * len(subjects)))
    crowds = in_turn(site.plan.rounds, list(subjects.values()), lambda subject: subject(next(rounds)))
    rows: list[tuple[Cell, ...]] = [
        (name, watchers, *_compared(own, crowds[0])) for name, own in zip(subjects, crowds, strict=True)
    ]
    yield Table("Watchers of one job, all on one gateway", COLUMNS, rows)


def _compared(own: list[Crowd], limit: list[Crowd]) -> Iterator[float]:
    for kind in ("watcher_kb", "heard_ms", "cpu_ms"):
        values, limits = ([getattr(crowd, kind) for crowd in crowds] for crowds in (own, limit))
        yield median(values)
        yield ratio(values, limits)
    yield median(crowd.quiet_percent for crowd in own)


def _bare(site: Site, number: int, watchers: int) -> Crowd:
    target = f"127.0.0.1:{free_port()}"
    command = (sys.executable, "-m", "bench.bare_streams", target, str(FIRST_BYTES), str(NEXT_BYTES))
    server = Process("streams", command, log=site.folder / f"streams-{number}.log")
    server.start()
    try:
        server.wait_for("ready", START_LIMIT_S)
        return site.client.run(gather_crowd, BareStage(target), server.pid, watchers, EVENTS)
    finally:
        server.kill()


def _ours(site: Site, number: int, watchers: int) -> Crowd:
    broker = Broker("embedded")
    with running_mesh(site.folder / f"watchers-{number}", broker, workers=0, detectors=1) as (mesh, _):
        stage = JobStage(mesh.target, place_of(mesh, broker))
        return site.client.run(gather_crowd, stage, mesh.gateways[0].pid, watchers, EVENTS)
