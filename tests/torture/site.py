"""The installation under torture: gateways and workers as real processes, a broker, and a proxy on every link."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

import psutil

from harness.cluster import RabbitCluster
from harness.mesh import START_LIMIT_S
from harness.ports import free_port
from harness.process import NotSaid, Process
from harness.proxy import Proxy
from harness.rabbit import RabbitNode
from tests.torture.callers import Callers
from tests.torture.clock import new_clock
from tests.torture.disk import new_disk
from tests.torture.retention import small_segments

GATEWAYS = WORKERS = 2
DETECTORS = 2
MAX_QUEUE_LENGTH = 60
"""Small, so that the queue is full now and then."""


class Site:
    """Everything that can be broken. `fronts` are the links from clients to gateways, `backs` those to the broker."""

    def __init__(self, folder: Path, *, nodes: int) -> None:
        self.folder = folder
        self.blobs = folder / "blobs"
        self.blobs.mkdir(parents=True)
        self.callers = Callers(folder)
        self.cluster = RabbitCluster(folder / "rabbit", size=nodes) if nodes else None
        self.fronts: list[Proxy] = []
        self.backs: list[Proxy] = []
        self.gateways: list[Process] = []
        self.workers: list[Process] = []
        self.echo: Process | None = None
        self.clocks: list[Path] = []
        self.disk = folder / "disk"
        self.cut: set[str] = set()
        """The jobs whose beginning the log has dropped."""
        self._ports = [free_port() for _ in range(GATEWAYS)]
        self._stack = ExitStack()
        self._starting = Lock()

    @property
    def nodes(self) -> Sequence[RabbitNode]:
        return self.cluster.nodes if self.cluster else []

    @property
    def broker(self) -> str:
        """The broker's own address, past all proxies."""
        return self.cluster.nodes[0].url if self.cluster else f"embedded://{self.folder}/broker"

    @property
    def processes(self) -> list[Process]:
        return [*self.gateways, *self.workers]

    @property
    def targets(self) -> list[str]:
        """Where clients find the gateways."""
        return [f"127.0.0.1:{front.port}" for front in self.fronts]

    def __enter__(self) -> Self:
        try:
            self._build()
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in (*self.processes, *([self.echo] if self.echo else [])):
            if process.running:
                process.kill()
        self._stack.close()

    def _build(self) -> None:
        if self.cluster:
            self._stack.enter_context(self.cluster)
            small_segments(self.nodes[0])
            ports = self.cluster.ports
            self.backs = [self._proxy(ports, n) for n in range(GATEWAYS + WORKERS)]
        self.fronts = [self._proxy([port], 0) for port in self._ports]
        for n, port in enumerate(self._ports):
            command = ("tests.torture.gateway", "--listen", f"127.0.0.1:{port}", "--heartbeat", "2", "--drain", "2")
            command += self.callers.flags
            self.gateways.append(self._process(f"gateway-{n}", command, n))
        for n in range(WORKERS):
            flags = ("--name", f"worker-{n}", "--detectors", str(DETECTORS), "--retry-delay", "0.5", "--retry-delay-cap", "16")
            self.workers.append(self._process(f"worker-{n}", ("tests.torture.worker", *flags), GATEWAYS + n))
        echo = (sys.executable, "-m", "tests.torture.echo", self.broker)
        self.echo = Process("echo", echo, log=self.folder / "echo.log")

    def _proxy(self, ports: Sequence[int], first: int) -> Proxy:
        return self._stack.enter_context(Proxy(ports, first=first % len(ports)))

    def _process(self, name: str, module: Sequence[str], number: int) -> Process:
        clock = self.folder / f"{name}.clock"
        self.clocks.append(clock)
        environment = {**new_clock(clock), **new_disk(self.disk, self.blobs)}
        broker = self.broker
        if self.cluster:
            broker = broker.replace(f":{self.cluster.nodes[0].port}/", f":{self.backs[number].port}/")
        flags = ("--broker", broker, "--blobs", f"file://{self.blobs}", "--max-queue-length", str(MAX_QUEUE_LENGTH))
        return Process(name, (sys.executable, "-m", *module, *flags), log=self.folder / f"{name}.log", environment=environment)

    def start(self) -> None:
        """Start what does not run, and return when all of it serves.

        Raises:
            NotSaid: something does not come up.
        """
        self.start_nodes()
        started = [process for process in self.processes if self.start_process(process)]
        for process in started:
            process.wait_for("health: SERVING" if process in self.gateways else r"worker \S+ ready", START_LIMIT_S)

    def start_process(self, process: Process) -> bool:
        """Start it unless it runs; tell whether that was so."""
        with self._starting:  # several faults may be healed at once
            if process.running:
                return False
            process.start()
            return True

    def start_nodes(self) -> None:
        """Start the broker's nodes that do not run, together: each waits for the others."""
        down = [node for node in self.nodes if not node.running]
        if down:
            with ThreadPoolExecutor(len(down)) as threads:
                list(threads.map(RabbitNode.start, down))

    def detectors(self, worker: int) -> list[psutil.Process]:
        """Give a worker's detector processes."""
        if not self.workers[worker].running:
            return []
        return psutil.Process(self.workers[worker].pid).children()

    def orphans(self) -> list[int]:
        """Name the detector processes that have no worker."""
        workers = {worker.pid for worker in self.workers if worker.running}
        found = []
        for process in psutil.process_iter(["pid", "ppid", "cmdline"]):
            arguments = process.info["cmdline"] or []
            if "tests.torture.detector" in arguments and any(str(self.folder) in each for each in arguments):
                found += [] if process.info["ppid"] in workers else [process.info["pid"]]
        return found

    def blob_folders(self) -> set[str]:
        """Name the jobs that have blobs, by the names of their files: "jobs~<job id>~…"."""
        return {path.name.split("~")[1] for path in self.blobs.glob("*/jobs~*")}

    def remove(self) -> None:
        """Remove what the run left on disk."""
        shutil.rmtree(self.folder, ignore_errors=True)


__all__ = ["DETECTORS", "GATEWAYS", "WORKERS", "NotSaid", "Site"]
