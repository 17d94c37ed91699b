"""Bars as SVG: on a light ground of their own, so that a dark page shows them too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

WIDTH, LABELS, NOTES = 760, 200, 190
"""Of the picture, and of what stands left and right of the bars, in pixels."""
BAR, GAP, TOP, BOTTOM = 20, 14, 64, 18
FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
INK, FAINT, GROUND = "#1f2328", "#59636e", "#ffffff"


@dataclass(frozen=True, slots=True)
class Bar:
    """One value, with a colour, and what is written beside it."""

    label: str
    value: float
    note: str
    colour: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Groups of bars on one scale."""

    title: str
    subtitle: str
    groups: Sequence[tuple[str, Sequence[Bar]]]

    def svg(self) -> str:
        """Draw it."""
        height = TOP + sum(BAR + BAR * len(bars) + GAP for _, bars in self.groups) + BOTTOM
        parts = "\n".join((*self._head(), *self._bars()))
        size = f"width='{WIDTH}' height='{height}' viewBox='0 0 {WIDTH} {height}'"
        ground = f"<rect width='{WIDTH}' height='{height}' rx='8' fill='{GROUND}'/>"
        told = f"role='img' aria-label={quoteattr(self.title)}"
        return f"<svg xmlns='http://www.w3.org/2000/svg' {told} {size} {FONT}>\n{ground}\n{parts}\n</svg>\n"

    def _head(self) -> Iterator[str]:
        yield _text(20, 28, self.title, size=17, weight=600)
        yield _text(20, 48, self.subtitle, colour=FAINT)

    def _bars(self) -> Iterator[str]:
        y = TOP
        for heading, bars in self.groups:
            yield _text(20, y + 14, heading, weight=600)
            y += BAR
            for bar in bars:
                yield _text(LABELS - 8, y + 14, bar.label, anchor="end")
                size = f"width='{self._length(bar.value):.1f}' height='{BAR - 4}'"
                yield f"<rect x='{LABELS}' y='{y + 2}' {size} rx='2' fill='{bar.colour}'/>"
                yield _text(LABELS + self._length(bar.value) + 6, y + 14, bar.note)
                y += BAR
            y += GAP

    def _length(self, value: float) -> float:
        longest = max(bar.value for _, bars in self.groups for bar in bars)
        return value / longest * (WIDTH - LABELS - NOTES)


def _text(x: float, y: float, text: str, *, size: int = 13, weight: int = 400, anchor: str = "start", colour: str = INK) -> str:
    style = f"font-size='{size}' font-weight='{weight}' text-anchor='{anchor}' fill='{colour}'"
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(text)}</text>"
