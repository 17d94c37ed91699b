"""What a run of the benches is asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from bench.pictures import Pictures

T = TypeVar("T")

BROKERS = ("rabbitmq", "embedded")
CLIENTS = 32
WORKERS = 2
SLOTS = 8
"""Tasks that a no-op worker holds at once, ours and the raw one's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`quick` checks that everything runs; its figures mean nothing. With `peers` they are measured too."""

    rounds: int
    quick: bool
    brokers: tuple[str, ...]
    peers: bool
    seed: int

    @property
    def pictures(self) -> Pictures:
        return Pictures(self.seed)

    def count(self, full: int) -> int:
        """Give how many jobs to do where a real run does `full`."""
        return max(4, full // 50) if self.quick else full

    def some(self, full: Sequence[T]) -> Sequence[T]:
        """Give the cases to look at, where a real run looks at `full`."""
        return full[:1] if self.quick else full
