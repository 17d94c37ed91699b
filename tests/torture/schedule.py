"""Which faults come when: a pure function of a seed, so that a run can be had again."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

EVERYTHING = "everything"


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """Something that goes wrong with one of the targets of its kind. Times are in seconds, `at_s` from the run's beginning."""

    at_s: float
    kind: str
    target: int
    length_s: float

    def __str__(self) -> str:
        return f"{self.at_s:6.1f} s  {self.kind} {self.target}, {self.length_s:.1f} s"


class Missed(Exception):
    """There was nothing to harm."""


class Kind(Protocol):
    """What a schedule must know of a kind of fault."""

    @property
    def targets(self) -> int: ...

    @property
    def allow_s(self) -> float:
        """How long it takes to do and to undo, about."""

    @property
    def occupies(self) -> Callable[[int], str]: ...


def schedule(
    seed: int, duration_s: float, kinds: Mapping[str, Kind], *, pause_s: float = 4.0, longest_s: float = 12.0
) -> list[Fault]:
    """Draw faults for a run. Every kind comes before any comes again; some begin before the last one is over.

    It is planned that nothing is wanted twice at a time; what many kinds want is rather taken by the next of them at once.

    Args:
        seed: the same gives the same faults.
        duration_s: within which all begin.
        kinds: what there is to draw from.
        pause_s: on average between two beginnings.
        longest_s: of one fault.
    """
    chance = random.Random(seed)
    faults: list[Fault] = []
    free_s: defaultdict[str, float] = defaultdict(float)
    at_s = 1.0
    deck: dict[str, int] = {}
    while True:
        if not deck:
            deck = {kind: chance.randrange(kinds[kind].targets) for kind in sorted(kinds)}
        wants = {kind: kinds[kind].occupies(target) for kind, target in deck.items()}
        at_s = max(at_s, min(_free_at_s(want, free_s) for want in wants.values()))
        if at_s >= duration_s:
            return faults
        free = [kind for kind, want in wants.items() if _free_at_s(want, free_s) <= at_s]
        crowds = Counter(wants.values())
        (kind,) = chance.choices(free, [crowds[wants[each]] for each in free])
        fault = Fault(at_s, kind, deck.pop(kind), chance.uniform(0.5, longest_s))
        faults.append(fault)
        free_s[wants[kind]] = at_s + fault.length_s + kinds[kind].allow_s
        at_s += chance.expovariate(1 / pause_s)


def _free_at_s(want: str, free_s: Mapping[str, float]) -> float:
    """Say when something is free. Everything is, as far as the plan goes, whenever the last of everything is over."""
    return max(free_s.get(want, 0.0), free_s.get(EVERYTHING, 0.0))


def conflict(one: str, other: str) -> bool:
    """Tell whether what two faults occupy can not be had at the same time."""
    return one == other or EVERYTHING in (one, other)
