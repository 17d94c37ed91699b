"""No-op jobs from end to end: what the mesh does when the detectors do nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.load import Pace, work_together
from bench.plan import CLIENTS, WORKERS
from bench.rounds import in_turn, pace_table, ratio
from bench.services import Shape
from bench.site import Site
from bench.stacks import Stack
from bench.table import Cell, Table

SIZE_BYTES = 1_000
JOBS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class _Subject:
    """A service in one of its shapes."""

    stack: Stack
    shape: Shape


def measure(site: Site) -> Iterator[Table]:
    pictures, count = site.plan.pictures.noises(SIZE_BYTES), site.plan.count(JOBS)

    def pace(subject: _Subject) -> Pace:
        service = subject.stack.shapes[subject.shape]
        with subject.stack.agreeing(count + CLIENTS):
            return site.client.run(work_together, service, subject.stack.roles, pictures, count, CLIENTS)

    with site.noop_stacks("noop", workers=WORKERS, peers=site.plan.peers) as stacks:
        subjects = [_Subject(stack, shape) for shape in Shape for stack in stacks if shape in stack.shapes]
        paces = dict(zip(subjects, in_turn(site.plan.rounds, subjects, pace), strict=True))
        title = f"No-op jobs, {CLIENTS} clients, {WORKERS} workers, {SIZE_BYTES:,} bytes"
        for shape in Shape:
            own = [subject for subject in subjects if subject.shape is shape and len(subject.stack.shapes) > 1]
            yield pace_table(f"{title}, {shape.value}", [each.stack.name for each in own], [paces[each] for each in own])
        if peers := [subject for subject in subjects if len(subject.stack.shapes) == 1]:
            yield pace_table(f"{title}, peers", [each.stack.name for each in peers], [paces[each] for each in peers])
            yield _beside(paces, subjects, peers)


def _beside(paces: Mapping[_Subject, list[Pace]], subjects: Sequence[_Subject], peers: Sequence[_Subject]) -> Table:
    """Compare the rates of ours with those of the peers."""
    rates = {subject: [pace.rate for pace in own] for subject, own in paces.items()}
    ours = [subject for subject in subjects if len(subject.stack.shapes) > 1]
    rows: list[tuple[Cell, ...]] = [
        (f"{own.stack.name}, {own.shape.value}", *(ratio(rates[own], rates[peer]) for peer in peers)) for own in ours
    ]
    return Table("No-op jobs per second, ratio to each peer", ("", *(peer.stack.name for peer in peers)), rows)
