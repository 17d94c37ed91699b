"""No-op jobs from end to end: what the mesh does when the detectors do nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from bench.load import Pace, work_together
from bench.pictures import noise
from bench.plan import CLIENTS, WORKERS
from bench.rounds import in_turn, pace_table
from bench.site import Site
from bench.stacks import Stack
from bench.table import Table

SIZE_BYTES = 1_000
JOBS = 2000


def measure(site: Site) -> Iterator[Table]:
    picture, count = noise(SIZE_BYTES), site.plan.count(JOBS)
    with site.noop_stacks("noop", workers=WORKERS) as stacks:
        for session in (False, True):
            paces = in_turn(site.plan.rounds, stacks, partial(_measure, site, picture, count, session=session))
            title = f"No-op jobs, {CLIENTS} clients, {WORKERS} workers, {SIZE_BYTES:,} bytes"
            yield pace_table(title + ", one session" * session, [stack.name for stack in stacks], paces)


def _measure(site: Site, picture: bytes, count: int, stack: Stack, *, session: bool) -> Pace:
    service = replace(stack.service, session=session)
    return site.client.run(work_together, service, stack.roles, [picture], count, CLIENTS)
