"""Submit: how long one client waits until its job is accepted, and how many a second are accepted of many. No worker runs."""

from __future__ import annotations

from collections.abc import Iterator

from bench.load import submit_alone, submit_together
from bench.plan import CLIENTS
from bench.rounds import in_turn, pace_table, ratio
from bench.site import Site
from bench.stacks import Stack
from bench.table import Table, median, quantile

SIZES_BYTES = (1_000, 100_000)
ALONE = 200
TOGETHER = 1000


def measure(site: Site) -> Iterator[Table]:
    with site.noop_stacks("submit", workers=0) as stacks:
        for size in SIZES_BYTES:
            yield _latency(site, stacks, size)
            yield _rate(site, stacks, size)


def _latency(site: Site, stacks: list[Stack], size: int) -> Table:
    pictures, count = site.plan.pictures.noises(size), site.plan.count(ALONE)

    def waits(stack: Stack) -> tuple[float, float]:
        taken_s = site.client.run(submit_alone, stack.service, pictures, count)
        return median(taken_s), quantile(taken_s, 0.99)

    taken = in_turn(site.plan.rounds, stacks, waits)
    halves = [[half for half, _ in own] for own in taken]
    rows = [
        (stack.name, median(half) * 1000, median(late for _, late in own) * 1000, ratio(half, halves[0]))
        for stack, own, half in zip(stacks, taken, halves, strict=True)
    ]
    return Table(f"Submit, one client, {size:,} bytes", ("", "p50 ms", "p99 ms", "p50, ratio"), rows)


def _rate(site: Site, stacks: list[Stack], size: int) -> Table:
    pictures, count = site.plan.pictures.noises(size), site.plan.count(TOGETHER)
    paces = in_turn(
        site.plan.rounds,
        stacks,
        lambda stack: site.client.run(submit_together, stack.service, stack.roles, pictures, count, CLIENTS),
    )
    return pace_table(f"Submit, {CLIENTS} clients, {size:,} bytes", [stack.name for stack in stacks], paces)
