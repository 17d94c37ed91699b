"""The memory of each process of a mesh, before it has done anything and after it has worked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.load import work_together
from bench.site import Site
from bench.stacks import REAL, Broker, Stack, running_mesh
from bench.table import Table
from bench.usage import GATEWAY, WORKERS, Memory, children

CLIENTS = 8
JOBS = 300
MEGAPIXELS = (0.3, 3.0, 12.0)
COLUMNS = ("", "idle RSS MB", "idle PSS MB", "after RSS MB", "after PSS MB")


def measure(site: Site) -> Iterator[Table]:
    for broker in site.brokers:
        yield _of(site, broker)


def _of(site: Site, broker: Broker) -> Table:
    pictures, count = (
        [picture for megapixels in site.plan.some(MEGAPIXELS) for picture in site.plan.pictures.photographs(megapixels)],
        site.plan.count(JOBS),
    )
    with running_mesh(site.folder / f"memory-{broker.name}", broker, workers=1, detectors=1, command=REAL) as (_, stack):
        pids = _processes(stack)
        idle = {name: Memory.of(pid) for name, pid in pids.items()}
        site.client.run(work_together, stack.service, stack.roles, pictures, count, CLIENTS)
        rows = [(name, *_of_one(idle[name]), *_of_one(Memory.of(pid))) for name, pid in pids.items()]
    return Table(f"Memory, {broker.name}, one detector, {count} pictures of 0.3 to 12 megapixels", COLUMNS, rows)


def _processes(stack: Stack) -> Mapping[str, int]:
    worker = stack.roles[WORKERS][0]
    return {"gateway": stack.roles[GATEWAY][0], "worker": worker, "detector": children(worker)[0]}


def _of_one(memory: Memory) -> tuple[float, float]:
    return memory.rss_mb, memory.pss_mb
