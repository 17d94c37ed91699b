"""How fast two workers take tasks from a queue, and how fast more is submitted, when much waits in it already."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import dataclass

from bench.clones import Place, fill, queued
from bench.load import Pace, submit_together
from bench.plan import CLIENTS, SLOTS, WORKERS
from bench.rounds import in_turn, pace_table
from bench.site import Site
from bench.stacks import Broker, Stack, place_of, running_mesh
from bench.start import submit_one
from bench.table import Table
from bench.usage import WORKERS as WORKERS_ROLE
from bench.usage import Reading, Roles
from dispatch.ports import Lane, Queue
from dispatch.v1.event_pb2 import Event, Record
from harness.mesh import Mesh
from worker.config import DEFAULT_MODEL

DEPTHS = (0, 10_000, 100_000)
DONE = 1_000
"""Jobs done, and jobs submitted, in a round."""
SPARE = 100
"""Jobs that workers may begin before they are stopped."""
LOOKBACK_S = 10.0
DRAIN_LIMIT_S = 300.0
SIZE_BYTES = 1_000
QUEUE = Queue(DEFAULT_MODEL, Lane.NORMAL)


@dataclass(frozen=True, slots=True)
class _Deep:
    """A mesh with so many more jobs waiting than will be done."""

    name: str
    mesh: Mesh
    stack: Stack
    place: Place


def measure(site: Site) -> Iterator[Table]:
    count = site.plan.count(DONE)
    for broker in site.brokers:
        with ExitStack() as running:
            depths = [site.plan.count(depth) if depth else 0 for depth in DEPTHS]
            meshes = [running.enter_context(_deep(site, broker, depth, (count + SPARE) * site.plan.rounds)) for depth in depths]
            names = [mesh.name for mesh in meshes]
            done = in_turn(site.plan.rounds, meshes, lambda deep: _drain(site, deep, count))
            yield pace_table(f"No-op jobs done by {WORKERS} workers out of a deep queue, {broker.name}", names, done)
            submitted = in_turn(site.plan.rounds, meshes, lambda deep: _submit(site, deep, count))
            yield pace_table(f"Jobs submitted to a deep queue by {CLIENTS} clients, {broker.name}", names, submitted)


@contextmanager
def _deep(site: Site, broker: Broker, depth: int, wanted: int) -> Iterator[_Deep]:
    """Run a mesh, its workers stopped, with so many jobs waiting, and before these the ones that will be done."""
    folder = site.folder / f"depth-{depth}-{broker.name}"
    with running_mesh(folder, broker, workers=WORKERS, detectors=SLOTS // 2) as (mesh, stack):
        for worker in mesh.workers:
            worker.stop()
        place = place_of(mesh, broker)
        job = site.client.run(submit_one, stack.service, site.plan.pictures.noises(SIZE_BYTES)[0])
        model = site.client.run(queued, place, job, QUEUE)
        site.client.run(fill, place, model, 0, wanted + depth, queue=QUEUE, pictures=wanted)
        yield _Deep(f"{depth:,} waiting", mesh, stack, place)


def _drain(site: Site, deep: _Deep, count: int) -> Pace:
    since_ns = time.time_ns()
    for worker in deep.mesh.workers:
        worker.start()
    roles = {**deep.stack.roles, WORKERS_ROLE: [worker.pid for worker in deep.mesh.workers]}
    pace = site.client.run(_watch_done, deep.place, roles, since_ns, count)
    for worker in deep.mesh.workers:
        worker.stop()
    return pace


def _submit(site: Site, deep: _Deep, count: int) -> Pace:
    roles = {**deep.stack.roles, WORKERS_ROLE: []}
    return site.client.run(submit_together, deep.stack.service, roles, site.plan.pictures.noises(SIZE_BYTES), count, CLIENTS)


async def _watch_done(place: Place, roles: Roles, since_ns: int, count: int) -> Pace:
    """Read in the log how many jobs are done, from the first ones on, and give the pace of so many after them."""
    done, start, at_start, warm_up = 0, None, 0, count // 10
    async with place.connect() as broker, asyncio.timeout(DRAIN_LIMIT_S), aclosing(broker.log.read(lookback_s=LOOKBACK_S)) as log:  # type: ignore[type-var]
        async for batch in log:
            for record in batch:
                done += sum(_is_success(event, since_ns) for event in Record.FromString(record.body).events)
            if start is None and done >= warm_up:
                start, at_start = Reading.take(roles), done
            elif start is not None and done >= at_start + count - warm_up:
                return Pace(done - at_start, Reading.take(roles).since(start))
    raise AssertionError("a log has no end")


def _is_success(event: Event, since_ns: int) -> bool:
    return event.WhichOneof("kind") == "succeeded" and event.time.ToNanoseconds() >= since_ns
