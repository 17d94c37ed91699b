"""One job after the other on an idle system: how long each takes, and how long after the worker the client knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.load import Lap, work_alone
from bench.plan import WORKERS
from bench.rounds import in_turn, ratio
from bench.site import Site
from bench.table import Table, median, quantile

SIZE_BYTES = 1_000
JOBS = 250
COLUMNS = ("", "whole p50 ms", "p99 ms", "p50, ratio", "done to known p50 ms", "p99 ms", "p50, ratio")


def measure(site: Site) -> Iterator[Table]:
    pictures, count = site.plan.pictures.noises(SIZE_BYTES), site.plan.count(JOBS)
    with site.noop_stacks("idle", workers=WORKERS, peers=site.plan.peers) as stacks:
        laps = in_turn(site.plan.rounds, stacks, lambda stack: site.client.run(work_alone, stack.service, pictures, count))
    rows = [(stack.name, *_whole(own, laps[0]), *_known(own, laps[0])) for stack, own in zip(stacks, laps, strict=True)]
    yield Table(f"No-op jobs, one client, idle system, {SIZE_BYTES:,} bytes", COLUMNS, rows)


def _whole(own: Sequence[list[Lap]], limit: Sequence[list[Lap]]) -> tuple[float, float, float]:
    return _compared([[lap.whole_s for lap in laps] for laps in own], [[lap.whole_s for lap in laps] for laps in limit])


def _known(own: Sequence[list[Lap]], limit: Sequence[list[Lap]]) -> tuple[float, float, float]:
    return _compared([[lap.known_s for lap in laps] for laps in own], [[lap.known_s for lap in laps] for laps in limit])


def _compared(own: Sequence[list[float]], limit: Sequence[list[float]]) -> tuple[float, float, float]:
    halves = [median(taken) for taken in own]
    late = median(quantile(taken, 0.99) for taken in own)
    return median(halves) * 1000, late * 1000, ratio(halves, [median(taken) for taken in limit])
