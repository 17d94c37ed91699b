"""What finished jobs cost the gateway that keeps them: memory, and time to read them again when it starts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.bare_read import BareRead, read_database, read_stream
from bench.clones import fill, finished
from bench.load import work_together
from bench.plan import CLIENTS, SLOTS, WORKERS
from bench.rounds import in_turn, ratio
from bench.site import Site
from bench.stacks import Broker, Stack, place_of, running_mesh
from bench.start import submit_one
from bench.table import Table, median
from bench.usage import Memory, cpu_s
from harness.process import Process

SIZE_BYTES = 1_000
JOBS = 100_000
WARM_UP = 500
READ_LIMIT_S = 600.0
KEPT = ("", "jobs", "RSS MB before", "after", "bytes a job", "RSS MB, started without", "started with", "bytes a job")
READ = (
    "",
    "events",
    "to SERVING s",
    "without a log s",
    "events/s",
    "bare read, events/s",
    "ratio",
    "CPU s",
    "bare read, CPU s",
    "ratio",
)


@dataclass(frozen=True, slots=True)
class _Start:
    """A gateway's start: seconds until it served, the CPU time that it took, and the memory that it then had."""

    taken_s: float
    cpu_s: float
    rss_mb: float


@dataclass(frozen=True, slots=True)
class _History:
    """What was found with one broker; `starts`, `empty` and `reads` in rounds."""

    name: str
    jobs: int
    before_mb: float
    with_mb: float
    starts: Sequence[_Start]
    empty: Sequence[_Start]
    reads: Sequence[BareRead]

    def kept(self) -> tuple[str | float, ...]:
        without_mb, again_mb = (median(start.rss_mb for start in starts) for starts in (self.empty, self.starts))
        grown = (self.with_mb - self.before_mb) * 1e6 / self.jobs
        again = (again_mb - without_mb) * 1e6 / self.reads[0].jobs
        return self.name, self.jobs, self.before_mb, self.with_mb, grown, without_mb, again_mb, again

    def read(self) -> tuple[str | float, ...]:
        full_s, empty_s = (median(start.taken_s for start in starts) for starts in (self.starts, self.empty))
        events = self.reads[0].events
        rates = [events / max(0.001, start.taken_s - empty_s) for start in self.starts]
        limits = [events / each.taken_s for each in self.reads]
        cpus_s = [start.cpu_s - median(empty.cpu_s for empty in self.empty) for start in self.starts]
        reads_s = [each.cpu_s for each in self.reads]
        times = (events, full_s, empty_s, median(rates), median(limits), ratio(rates, limits))
        return self.name, *times, median(cpus_s), median(reads_s), ratio(cpus_s, reads_s)


def measure(site: Site) -> Iterator[Table]:
    histories = [_history(site, broker) for broker in site.brokers]
    yield Table("Finished jobs in the gateway's memory", KEPT, [history.kept() for history in histories])
    yield Table("Reading the log when the gateway starts", READ, [history.read() for history in histories])


def _history(site: Site, broker: Broker) -> _History:
    folder, other = site.folder / f"history-{broker.name}", site.folder / f"empty-{broker.name}"
    with (
        running_mesh(folder, broker, workers=WORKERS, detectors=SLOTS // 2) as (mesh, stack),
        running_mesh(other, broker, workers=0, detectors=1) as (empty, _),
    ):
        gateway, jobs = mesh.gateways[0], site.plan.count(JOBS)
        _work(site, stack, site.plan.count(WARM_UP))
        before_mb = Memory.of(gateway.pid).rss_mb
        place = place_of(mesh, broker)
        model = site.client.run(finished, place, site.client.run(submit_one, stack.service, b"nothing"))
        for worker in mesh.workers:
            worker.stop()
        site.client.run(fill, place, model, 0, jobs)
        with_mb = Memory.of(gateway.pid).rss_mb
        starts, empties = in_turn(site.plan.rounds, (gateway, empty.gateways[0]), _restart)
        reads = [_bare_read(site, broker, folder) for _ in range(site.plan.rounds)]
    return _History(stack.name, jobs, before_mb, with_mb, starts, empties, reads)


def _work(site: Site, stack: Stack, jobs: int) -> None:
    site.client.run(work_together, stack.service, stack.roles, site.plan.pictures.noises(SIZE_BYTES), jobs, CLIENTS)


def _restart(gateway: Process) -> _Start:
    gateway.stop()
    begun_s = time.monotonic()
    gateway.start()
    gateway.wait_for("health: SERVING", READ_LIMIT_S)
    return _Start(time.monotonic() - begun_s, cpu_s(gateway.pid), Memory.of(gateway.pid).rss_mb)


def _bare_read(site: Site, broker: Broker, folder: Path) -> BareRead:
    if broker.url:
        return site.client.run(read_stream, broker.url, f"{folder.name}.log")
    return site.client.run(read_database, folder / "broker" / "broker.db")
