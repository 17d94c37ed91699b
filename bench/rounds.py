"""Taking turns: every subject once a round, so that whatever else the machine does meets all alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from bench.load import Pace
from bench.table import Table, median
from bench.usage import ORDER

S = TypeVar("S")
T = TypeVar("T")


def in_turn(rounds: int, subjects: Sequence[S], measure: Callable[[S], T]) -> list[list[T]]:
    """Measure in rounds, and give the results of each subject."""
    results: list[list[T]] = [[] for _ in subjects]
    for _ in range(rounds):
        for subject, own in zip(subjects, results, strict=True):
            own.append(measure(subject))
    return results


def ratio(values: Sequence[float], limits: Sequence[float]) -> float:
    """Compare what was measured in the same rounds."""
    return median(value / limit for value, limit in zip(values, limits, strict=True))


def pace_table(title: str, names: Sequence[str], paces: Sequence[Sequence[Pace]]) -> Table:
    """Set rates and CPU time beside those of the first row."""
    columns = ("", "per s", "rate, ratio", "CPU ms a job", "CPU, ratio", " + ".join(ORDER), "foreign CPU")
    rates = [[pace.rate for pace in own] for own in paces]
    costs = [[pace.cpu_ms for pace in own] for own in paces]
    rows = [
        (
            name,
            median(rates[i]),
            ratio(rates[i], rates[0]),
            median(costs[i]),
            ratio(costs[i], costs[0]),
            _typical(paces[i]).usage.split(paces[i][0].jobs),
            f"{median(pace.usage.others for pace in paces[i]):.0%}",
        )
        for i, name in enumerate(names)
    ]
    return Table(title, columns, rows)


def _typical(paces: Sequence[Pace]) -> Pace:
    """Give the round with the median cost."""
    return sorted(paces, key=lambda pace: pace.cpu_ms)[len(paces) // 2]
