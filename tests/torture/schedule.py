"""Which faults come when: a pure function of a seed, so that a run can be had again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """Something that goes wrong with one of the targets of its kind. Times are in seconds, `at_s` from the run's beginning."""

    at_s: float
    kind: str
    target: int
    length_s: float

    def __str__(self) -> str:
        return f"{self.at_s:6.1f} s  {self.kind} {self.target}, {self.length_s:.1f} s"


def schedule(
    seed: int, duration_s: float, targets: Mapping[str, int], *, pause_s: float = 4.0, longest_s: float = 12.0
) -> list[Fault]:
    """Draw faults for a run. Every kind comes before any comes again; some begin before the last one is over.

    Args:
        seed: the same gives the same faults.
        duration_s: of the whole run; none begins in its last part, so that what is broken can be seen to heal.
        targets: the kinds, each with how many targets it has.
        pause_s: on average between two beginnings.
        longest_s: of one fault.
    """
    chance = random.Random(seed)
    faults: list[Fault] = []
    at_s = 1.0
    deck: list[str] = []
    while at_s < duration_s:
        if not deck:
            deck = sorted(targets)
            chance.shuffle(deck)
        kind = deck.pop()
        faults.append(Fault(at_s, kind, chance.randrange(targets[kind]), chance.uniform(0.5, longest_s)))
        at_s += chance.expovariate(1 / pause_s)
    return faults
