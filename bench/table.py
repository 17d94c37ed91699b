"""Results as tables: printed as Markdown, kept as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Cell = str | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """One table of results; None is an empty cell."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]

    def __str__(self) -> str:
        ruler = ("---", *("---:" for _ in self.columns[1:]))
        lines = (self.columns, ruler, *([_text(cell) for cell in row] for row in self.rows))
        return f"### {self.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _text(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            return cell
    return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def quantile(values: Iterable[float], share: float) -> float:
    """Give the value that this share of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
