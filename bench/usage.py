"""CPU time and memory of processes, from the kernel's own accounts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

import psutil

Roles = Mapping[str, Sequence[int]]
"""Process ids by the part that they play. Their descendants count as theirs."""

CLIENT, GATEWAY, BROKER, WORKERS = "client", "gateway", "broker", "workers"
ORDER = (CLIENT, GATEWAY, BROKER, WORKERS)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a phase took. `others` is the share of the machine's cores that processes of others used meanwhile."""

    wall_s: float
    cpu_s: Mapping[str, float]
    others: float

    def cpu_ms(self, jobs: int) -> float:
        """Give the CPU time of a job over all processes, in milliseconds."""
        return sum(self.cpu_s.values()) * 1000 / jobs

    def split(self, jobs: int) -> str:
        """Write the CPU time of a job in milliseconds, part by part."""
        return " + ".join(f"{self.cpu_s.get(role, 0.0) * 1000 / jobs:.2f}" for role in ORDER)


@dataclass(frozen=True, slots=True)
class Reading:
    """The clocks at one moment. The caller is the client."""

    at_s: float
    cpu_s: Mapping[str, float]
    harness_s: float
    busy_s: float

    @classmethod
    def take(cls, roles: Roles) -> Reading:
        own = _cpu_s(psutil.Process())
        cpu_s = {role: sum(map(_cpu_s, _families(pids))) for role, pids in roles.items()}
        parent = psutil.Process().parent()
        harness_s = _cpu_s(parent) if parent else 0.0
        return cls(monotonic(), {CLIENT: own, **cpu_s}, harness_s, _busy_s())

    def since(self, start: Reading) -> Usage:
        """Give what was used from `start` to now. What it takes to read the output of the processes is left out."""
        wall_s = self.at_s - start.at_s
        cpu_s = {role: self.cpu_s[role] - start.cpu_s[role] for role in self.cpu_s}
        own_s = sum(cpu_s.values()) + self.harness_s - start.harness_s
        others = (self.busy_s - start.busy_s - own_s) / (wall_s * (os.cpu_count() or 1))
        return Usage(wall_s, cpu_s, max(0.0, others))


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process, in MB. PSS counts shared pages by their share."""

    rss_mb: float
    pss_mb: float

    @classmethod
    def of(cls, pid: int) -> Memory:
        full = psutil.Process(pid).memory_full_info()
        return cls(full.rss / 1e6, full.pss / 1e6)


def cpu_s(pid: int) -> float:
    """Give the CPU time of a process so far, without its children's."""
    return _cpu_s(psutil.Process(pid))


def children(pid: int) -> list[int]:
    """Give the processes that `pid` started."""
    return [child.pid for child in psutil.Process(pid).children()]


def _families(pids: Sequence[int]) -> Iterator[psutil.Process]:
    for pid in pids:
        process = psutil.Process(pid)
        yield process
        yield from process.children(recursive=True)


def _cpu_s(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)
