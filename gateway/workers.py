"""Which workers are alive: those that said so lately."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from time import monotonic

ALIVE_S = 15.0


@dataclass(frozen=True, slots=True)
class Presence:
    """A worker's last sign of life; `seen` is of the monotonic clock, in seconds."""

    models: frozenset[str]
    detectors: int
    fetches: bool
    seen: float


class Workers:
    """The workers by name."""

    def __init__(self) -> None:
        self._present: dict[str, Presence] = {}

    def alive(self, worker: str, models: list[str], detectors: int, *, fetches: bool = False) -> None:
        self._present[worker] = Presence(frozenset(models), detectors, fetches, monotonic())

    def gone(self, worker: str) -> None:
        self._present.pop(worker, None)

    def of(self, model: str) -> list[Presence]:
        """List the workers of a model that are alive."""
        return [presence for presence in self._present.values() if model in presence.models and _fresh(presence)]

    def census(self) -> dict[str, int]:
        """Count the workers of each model that are alive."""
        return dict(Counter(model for presence in self._present.values() if _fresh(presence) for model in presence.models))

    def forget_lost(self) -> None:
        self._present = {worker: presence for worker, presence in self._present.items() if _fresh(presence)}


def _fresh(presence: Presence) -> bool:
    return monotonic() - presence.seen < ALIVE_S
