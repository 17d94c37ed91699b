"""A whole installation on this machine: gateways and workers as real processes around one broker, an edge in front if wanted."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.ports import free_port
from harness.process import Process

START_LIMIT_S = 60.0


class Mesh:
    """Gateways, workers and edges; started on entry, stopped in order on exit. Each can be killed and started again meanwhile.

    `broker` is an address, or a file that holds one; without it the embedded broker is used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        broker: str | Path | None = None,
        gateways: int = 1,
        workers: int = 1,
        detectors: int = 1,
        worker_command: Sequence[str] = ("-m", "worker"),
        gateway_flags: Sequence[str] = (),
        worker_flags: Sequence[str] = (),
        edge: bool = False,
        edge_flags: Sequence[str] = (),
        metrics: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.metrics: dict[str, str] = {}
        """Where each process serves its metrics, by its name, if they are wanted."""
        self._with_metrics = metrics
        at = () if isinstance(broker, Path) else ("--broker", broker or f"embedded://{folder}/broker")
        shared = (*at, "--blobs", f"file://{folder}/blobs")
        in_file = {"MYEYE_BROKER_FILE": str(broker)} if isinstance(broker, Path) else {}
        self._environment = {**(environment or {}), **in_file}
        self.targets = [f"127.0.0.1:{free_port()}" for _ in range(gateways)]
        self.gateway_flags = (*shared, *gateway_flags)
        self.gateways = [
            self._process(f"gateway-{i}", ("-m", "gateway", "--listen", target, *self.gateway_flags))
            for i, target in enumerate(self.targets)
        ]
        own = ("--detectors", str(detectors), *worker_flags)
        self.workers = [self._process(f"worker-{i}", (*worker_command, *shared, *own)) for i in range(workers)]
        self.edge_target = f"127.0.0.1:{free_port()}"
        behind = [flag for target in self.targets for flag in ("--gateway", target)]
        command = ("-m", "edge", "--listen", self.edge_target, *behind, *edge_flags)
        self.edges = [self._process("edge", command)] if edge else []

    def _process(self, name: str, arguments: Sequence[str]) -> Process:
        if self._with_metrics:
            self.metrics[name] = f"127.0.0.1:{free_port()}"
            arguments = (*arguments, "--metrics", self.metrics[name])
        return Process(name, (sys.executable, *arguments), log=self.folder / f"{name}.log", environment=self._environment)

    @property
    def target(self) -> str:
        """Address of the first gateway."""
        return self.targets[0]

    @property
    def processes(self) -> list[Process]:
        return [*self.gateways, *self.workers, *self.edges]

    def start(self) -> None:
        """Start what does not run, and return when all of it serves."""
        for process in self.processes:
            if not process.running:
                process.start()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Return when every gateway has read the log, every worker takes tasks, and an edge has found every gateway healthy."""
        for gateway in self.gateways:
            gateway.wait_for("health: SERVING", START_LIMIT_S)
        for worker in self.workers:
            worker.wait_for(r"worker \S+ ready", START_LIMIT_S)
        for edge in self.edges:
            edge.wait_for("edge listens on", START_LIMIT_S)
            for target in self.targets:
                edge.wait_for(f"gateway {re.escape(target)} is healthy", START_LIMIT_S)

    def stop(self) -> None:
        """Stop the workers, then the gateways, which ends all watches, then the edges; what was killed already is fine."""
        for process in (*self.workers, *self.gateways, *self.edges):
            if process.running:
                process.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.stop()
        self._kill()

    def _kill(self) -> None:
        for process in self.processes:
            if process.running:
                process.kill()
