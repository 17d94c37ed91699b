"""What a detector process is told when it is started, as the arguments of its command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from worker.detection import Engine, Model


@dataclass(frozen=True, slots=True)
class Orders:
    """The socket to the pool, what may be used, and the model to look with."""

    socket_fd: int
    memory_bytes: int
    max_pixels: int
    path: Path
    model: Model

    @property
    def files(self) -> Sequence[int]:
        return ()

    def with_socket(self, socket_fd: int) -> Self:
        return replace(self, socket_fd=socket_fd)

    def arguments(self) -> list[str]:
        numbers = (self.socket_fd, self.memory_bytes, self.max_pixels)
        model = (
            self.model.name,
            self.model.sha256,
            repr(self.model.default_score_threshold),
            self.model.engine,
            *self.model.categories,
        )
        return [*map(str, numbers), str(self.path), *model]

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> Orders:
        socket_fd, memory_bytes, max_pixels, path, name, sha256, threshold, engine, *categories = arguments
        model = Model(name, sha256, float(threshold), tuple(categories), Engine(engine))
        return cls(int(socket_fd), int(memory_bytes), int(max_pixels), Path(path), model)
