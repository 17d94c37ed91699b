"""Three RabbitMQ nodes on this machine that are one cluster."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from harness.rabbit import RabbitNode


class RabbitCluster:
    """Nodes that share a cookie and a port mapper. Each can be killed, frozen and started again meanwhile."""

    def __init__(self, folder: Path, *, size: int = 3, server: Path | None = None) -> None:
        first = RabbitNode(folder / "node-0", server=server)
        self.nodes = [first, *(RabbitNode(folder / f"node-{n}", server=server, beside=first) for n in range(1, size))]

    @property
    def ports(self) -> list[int]:
        return [node.port for node in self.nodes]

    def start(self) -> None:
        """Start all, and join them to the first."""
        for node in self.nodes:
            node.start()
        for node in self.nodes[1:]:
            node.join(self.nodes[0])

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        for node in reversed(self.nodes):  # the first one's port mapper serves all
            node.__exit__(None, None, None)
