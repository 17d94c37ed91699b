"""What every bench is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load import ClientProcess
from bench.plan import SLOTS, Plan
from bench.stacks import Broker, Stack, running_mesh, running_raw


@dataclass(frozen=True, slots=True)
class Site:
    """A plan, the brokers that run, the client's process, and a folder for data, on the disk that is measured."""

    plan: Plan
    brokers: list[Broker]
    client: ClientProcess
    folder: Path

    @contextmanager
    def noop_stacks(self, name: str, *, workers: int, peers: bool = False) -> Iterator[list[Stack]]:
        """Run all stacks at once, to be taken in turn: a mesh on each broker; where that is RabbitMQ, the raw one and peers."""
        with ExitStack() as running:
            stacks: list[Stack] = []
            others: list[Stack] = []
            for broker in self.brokers:
                if broker.url:
                    raw = running_raw(self.folder / f"{name}-raw", broker, workers=workers, slots=SLOTS)
                    stacks.append(running.enter_context(raw))
                mesh = running_mesh(self.folder / f"{name}-{broker.name}", broker, workers=workers, detectors=SLOTS // 2)
                stacks.append(running.enter_context(mesh)[1])
                if broker.url and peers:
                    # imported only here: their libraries are not installed with ours
                    from bench.peers.running import running_peers

                    at_hand = running_peers(self.folder / f"{name}-peers", broker, workers=workers, slots=SLOTS)
                    others += running.enter_context(at_hand)
            yield stacks + others
