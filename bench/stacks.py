"""What is started to be measured: our mesh or the raw stack, around a broker."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pika

from bench.agreement import agreeing
from bench.clones import Place
from bench.ours import Myeye
from bench.plan import Plan
from bench.raw_client import Raw
from bench.services import Service, Shape
from bench.usage import BROKER, GATEWAY, WORKERS, Roles
from dispatch.options import BrokerOptions
from harness.mesh import Mesh
from harness.ports import free_port
from harness.process import Process
from harness.rabbit import RabbitNode

NOOP = ("-m", "bench.noop_worker")
REAL = ("-m", "worker")
START_LIMIT_S = 60.0
MAX_QUEUE_LENGTH = 200_000


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker. The embedded one has no address of its own: each installation makes another."""

    name: str
    url: str | None = None
    pids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Stack:
    """A running service with a name for the tables, in the shapes that it has, its processes, and where they are counted."""

    name: str
    shapes: Mapping[Shape, Service]
    roles: Roles
    metrics: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def service(self) -> Service:
        """The plainest of its shapes."""
        return self.shapes[Shape.UNARY]

    def agreeing(self, jobs: int) -> AbstractContextManager[None]:
        """Hold its counts, if it has any, against the jobs that are done meanwhile. Raises Disagreement."""
        return agreeing(self.metrics[GATEWAY], self.metrics[WORKERS], jobs) if self.metrics else nullcontext()


@contextmanager
def running_brokers(plan: Plan, folder: Path) -> Iterator[list[Broker]]:
    """Run the brokers that the plan names."""
    with ExitStack() as running:
        yield [_rabbit(running, folder / "rabbit") if name == "rabbitmq" else Broker(name) for name in plan.brokers]


def _rabbit(running: ExitStack, folder: Path) -> Broker:
    node = running.enter_context(RabbitNode(folder))
    pid = node.ctl("eval", "os:getpid().").strip().strip('"')
    return Broker("rabbitmq", node.url, (int(pid),))


@contextmanager
def running_mesh(
    folder: Path, broker: Broker, *, workers: int, detectors: int, command: Sequence[str] = NOOP
) -> Iterator[tuple[Mesh, Stack]]:
    """Run one gateway and its workers, as an installation of their own. A worker holds two tasks for each detector."""
    name = ("--installation", folder.name, "--max-queue-length", str(MAX_QUEUE_LENGTH))
    mesh = Mesh(
        folder,
        broker=broker.url,
        workers=workers,
        detectors=detectors,
        worker_command=command,
        gateway_flags=name,
        worker_flags=name,
        metrics=True,
    )
    with mesh:
        roles = {
            GATEWAY: [mesh.gateways[0].pid],
            BROKER: broker.pids,
            WORKERS: [worker.pid for worker in mesh.workers],
        }
        addresses = {GATEWAY: mesh.gateways, WORKERS: mesh.workers}
        metrics = {role: [mesh.metrics[process.name] for process in processes] for role, processes in addresses.items()}
        yield mesh, Stack(f"myeye, {broker.name}", {shape: Myeye(mesh.target, shape) for shape in Shape}, roles, metrics)


def place_of(mesh: Mesh, broker: Broker) -> Place:
    """Tell where a mesh keeps things, for who writes there itself."""
    options = BrokerOptions(name=mesh.folder.name, max_queue_length=MAX_QUEUE_LENGTH)
    return Place(broker.url or f"embedded://{mesh.folder}/broker", f"file://{mesh.folder}/blobs", options)


@contextmanager
def running_raw(folder: Path, broker: Broker, *, workers: int, slots: int) -> Iterator[Stack]:
    """Run the raw stack on RabbitMQ."""
    assert broker.url is not None
    folder.mkdir()
    queue, address = folder.name, f"127.0.0.1:{free_port()}"
    with ExitStack() as running:
        running.callback(_delete, broker.url, queue)
        gateway = _raw(running, folder / "gateway.log", "gateway", broker.url, queue, address)
        working = [_raw(running, folder / f"worker-{i}.log", "worker", broker.url, queue, str(slots)) for i in range(workers)]
        roles = {GATEWAY: [gateway.pid], BROKER: broker.pids, WORKERS: [worker.pid for worker in working]}
        yield Stack("raw stack", {shape: Raw(address, shape) for shape in Shape}, roles)


def _raw(running: ExitStack, log: Path, *arguments: str) -> Process:
    process = Process(arguments[0], (sys.executable, "-m", "bench.raw_stack", *arguments), log=log)
    process.start()
    running.callback(process.kill)
    process.wait_for("ready", START_LIMIT_S)
    return process


def _delete(url: str, queue: str) -> None:
    """Delete a queue, whose pictures would burden the broker for what is measured next."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    connection.channel().queue_delete(queue)
    connection.close()
