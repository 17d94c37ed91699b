"""What a video process is told when it is started, as the arguments of its command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from worker.video.sampling import Sampling


@dataclass(frozen=True, slots=True)
class Orders:
    """The socket to the worker, what may be used, the file to read, the one to draw into (-1: none), and which frames to give."""

    socket_fd: int
    memory_bytes: int
    max_pixels: int
    max_frames: int
    input_fd: int
    annotated_fd: int
    sampling: Sampling

    @property
    def files(self) -> Sequence[int]:
        return [each for each in (self.input_fd, self.annotated_fd) if each >= 0]

    def with_socket(self, socket_fd: int) -> Self:
        return replace(self, socket_fd=socket_fd)

    def arguments(self) -> list[str]:
        numbers = (self.socket_fd, self.memory_bytes, self.max_pixels, self.max_frames, self.input_fd, self.annotated_fd)
        return [*map(str, numbers), *map(repr, (self.sampling.start_s, self.sampling.end_s, self.sampling.max_fps))]

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> Orders:
        socket_fd, memory_bytes, max_pixels, max_frames, input_fd, annotated_fd = map(int, arguments[:6])
        sampling = Sampling(*map(float, arguments[6:]))
        return cls(socket_fd, memory_bytes, max_pixels, max_frames, input_fd, annotated_fd, sampling)
