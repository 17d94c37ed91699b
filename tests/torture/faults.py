"""What can go wrong, each as a pair: how it is done to a site, and how it is undone."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import psutil

from harness.process import Process
from harness.proxy import Proxy
from tests.torture.clock import set_clock
from tests.torture.disk import Trouble, trouble_disk
from tests.torture.retention import cut_embedded, cut_stream
from tests.torture.schedule import EVERYTHING, Missed
from tests.torture.site import DETECTORS, GATEWAYS, WORKERS, Site

JUMPS_S = (3600.0, -3600.0, 86_400.0, -86_400.0)
SLOW_S = 0.2
THERE_S = 120.0
"""How long is waited for what shall be harmed: it may be starting."""
REST_S = 10.0
"""In which processes start again that could not while the blob store was in trouble, before it is in trouble again."""
NODE_S = 15.0
"""What RabbitMQ takes to do or undo something, about."""


@dataclass(frozen=True, slots=True)
class Way:
    """How one kind of fault is done and undone, to one of `targets` targets, and what of the site it occupies meanwhile."""

    targets: int
    harm: Callable[[Site, int], None]
    heal: Callable[[Site, int], None]
    occupies: Callable[[int], str]
    allow_s: float = 2.0
    """What it takes to do, to undo and to rest, about."""
    rest_s: float = 0.0
    """How long it is left alone when it is healed."""


def ways_of(site: Site) -> Mapping[str, Way]:
    """Give the kinds of fault that a site can suffer."""
    return {**COMMON, **(node_ways(len(site.nodes)) if site.cluster else EMBEDDED)}


def _await(there: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + THERE_S
    while not there():
        if time.monotonic() > end_s:
            raise Missed(f"{what} was not there for {THERE_S:g} s")
        time.sleep(0.05)


def _kill(process: Process) -> None:
    _await(lambda: process.running, process.name)
    process.kill()


def _freeze(process: Process) -> None:
    _await(lambda: process.running, process.name)
    process.send(signal.SIGSTOP)


def _thaw(process: Process) -> None:
    if process.running:
        process.send(signal.SIGCONT)


def _signal_detector(site: Site, target: int, number: signal.Signals) -> None:
    """Signal one of a worker's processes; should it end in that moment, the next one in its place."""
    worker, place = divmod(target, DETECTORS)

    def signalled() -> bool:
        children = site.detectors(worker)
        with suppress(psutil.NoSuchProcess):
            if len(children) > place:
                children[place].send_signal(number)
                return True
        return False

    _await(signalled, f"detector {target}")


def _thaw_detectors(site: Site, target: int) -> None:
    for child in site.detectors(target // DETECTORS):
        with suppress(psutil.NoSuchProcess):
            child.send_signal(signal.SIGCONT)


def _process_ways(name: str, count: int, choose: Callable[[Site, int], Process]) -> dict[str, Way]:
    def occupies(target: int) -> str:
        return f"{name} {target}"

    return {
        f"kill {name}": Way(count, lambda s, t: _kill(choose(s, t)), lambda s, t: _start(s, choose(s, t)), occupies),
        f"freeze {name}": Way(
            count,
            lambda s, t: _freeze(choose(s, t)),
            lambda s, t: _thaw(choose(s, t)),
            occupies,
        ),
    }


def _link_ways(name: str, count: int, choose: Callable[[Site, int], Proxy]) -> dict[str, Way]:
    def way(harm: Callable[[Proxy], None]) -> Way:
        return Way(count, lambda s, t: harm(choose(s, t)), lambda s, t: choose(s, t).mend(), lambda t: f"{name} link {t}")

    return {
        f"cut {name} link": way(Proxy.cut),
        f"stall {name} link": way(Proxy.stall),
        f"slow {name} link": way(lambda proxy: proxy.slow(SLOW_S)),
    }


def _kill_all(site: Site, _: int) -> None:
    for process in (*site.processes, *site.nodes):
        if process.running:
            process.kill()


def _start_all(site: Site, _: int) -> None:
    site.start_nodes()
    _restart(site)


def _start(site: Site, process: Process) -> None:
    site.start_process(process)


def _restart(site: Site) -> None:
    """Do what a supervisor does: a process that cannot start while its blob store is away or read-only ends by itself."""
    for process in site.processes:
        site.start_process(process)


def _blobs_away(site: Site, _: int) -> None:
    site.blobs.rename(site.blobs.with_name("blobs-away"))
    site.blobs.touch()  # a file, so that no folder can be made in its place


def _blobs_back(site: Site, _: int) -> None:
    site.blobs.unlink()
    site.blobs.with_name("blobs-away").rename(site.blobs)
    _restart(site)


def _disk_way(trouble: Trouble) -> Way:
    return Way(1, lambda s, t: trouble_disk(s.disk, trouble), lambda s, t: _disk_well(s), lambda _: "blobs", REST_S, REST_S)


def _disk_well(site: Site) -> None:
    trouble_disk(site.disk, Trouble.NONE)
    _restart(site)


def _cut_embedded(site: Site, _: int) -> None:
    site.cut |= cut_embedded(site.folder / "broker")


def _cut_stream(site: Site, _: int) -> None:
    site.cut |= cut_stream(list(site.nodes))


def _echo(site: Site) -> Process:
    assert site.echo is not None
    return site.echo


def _jump(site: Site, target: int) -> None:
    set_clock(site.clocks[target % len(site.clocks)], JUMPS_S[target % len(JUMPS_S)])


COMMON: Mapping[str, Way] = {
    **_process_ways("gateway", GATEWAYS, lambda site, target: site.gateways[target]),
    **_process_ways("worker", WORKERS, lambda site, target: site.workers[target]),
    "kill detector": Way(
        WORKERS * DETECTORS,
        lambda s, t: _signal_detector(s, t, signal.SIGKILL),
        lambda s, t: None,
        lambda t: f"worker {t // DETECTORS}",
    ),
    "freeze detector": Way(
        WORKERS * DETECTORS,
        lambda s, t: _signal_detector(s, t, signal.SIGSTOP),
        _thaw_detectors,
        lambda t: f"worker {t // DETECTORS}",
    ),
    **_link_ways("client", GATEWAYS, lambda site, target: site.fronts[target]),
    "kill everything": Way(1, _kill_all, _start_all, lambda _: EVERYTHING, allow_s=5.0),
    "blob store away": Way(1, _blobs_away, _blobs_back, lambda _: "blobs", REST_S, REST_S),
    "blob store full": _disk_way(Trouble.FULL),
    "blob store read-only": _disk_way(Trouble.READ_ONLY),
    "blob store slow": _disk_way(Trouble.SLOW),
    "echo": Way(1, lambda s, t: _echo(s).start(), lambda s, t: _kill(_echo(s)), lambda _: "echo"),
    "clock jump": Way(
        (GATEWAYS + WORKERS) * len(JUMPS_S),
        _jump,
        lambda s, t: set_clock(s.clocks[t % len(s.clocks)], 0),
        lambda t: f"clock {t % (GATEWAYS + WORKERS)}",
    ),
}


EMBEDDED: Mapping[str, Way] = {"retention": Way(1, _cut_embedded, lambda s, t: None, lambda _: "log")}


def _each_node(site: Site, *command: str) -> None:
    for node in site.nodes:
        if node.running:
            node.ctl(*command)


def node_ways(count: int) -> Mapping[str, Way]:
    return {
        "kill everything": replace(COMMON["kill everything"], allow_s=2 * NODE_S),
        "kill node": Way(count, lambda s, t: s.nodes[t].kill(), lambda s, t: s.start_nodes(), lambda t: "nodes", NODE_S),
        "freeze node": Way(
            count,
            lambda s, t: s.nodes[t].send(signal.SIGSTOP),
            lambda s, t: s.nodes[t].send(signal.SIGCONT),
            lambda t: "nodes",
        ),
        "retention": Way(1, _cut_stream, lambda s, t: None, lambda t: "nodes", NODE_S),
        "restart broker": Way(1, lambda s, t: _stop_nodes(s), lambda s, t: s.start_nodes(), lambda t: "nodes", 2 * NODE_S),
        "disk alarm": Way(
            1,
            lambda s, t: _each_node(s, "set_disk_free_limit", "1000000GB"),
            lambda s, t: _each_node(s, "set_disk_free_limit", "50MB"),
            lambda t: "nodes",
            NODE_S,
        ),
        "memory alarm": Way(
            1,
            lambda s, t: _each_node(s, "set_vm_memory_high_watermark", "0.00001"),
            lambda s, t: _each_node(s, "set_vm_memory_high_watermark", "0.6"),
            lambda t: "nodes",
            NODE_S,
        ),
        **_link_ways("broker", GATEWAYS + WORKERS, lambda site, target: site.backs[target]),
    }


def _stop_nodes(site: Site) -> None:
    for node in site.nodes:
        if node.running:
            node.stop()
