"""When an attempt came to its stages."""

from __future__ import annotations

import time
from collections.abc import Iterator

from worker.detection import Stage

_NAMES = {Stage.FETCHING: "fetch", Stage.DECODING: "decode", Stage.DETECTING: "detect", Stage.ANNOTATING: "annotate"}


class Trail:
    """The stages in the order in which they were entered; one that is entered again goes on."""

    __slots__ = ("_entered",)

    def __init__(self) -> None:
        self._entered: list[tuple[Stage, int]] = []

    def enter(self, stage: Stage) -> None:
        """Note that a stage begins now, and so the one before it ends."""
        if not self._entered or self._entered[-1][0] is not stage:
            self._entered.append((stage, time.time_ns()))

    def stages(self, ended_ns: int) -> Iterator[tuple[str, int, int]]:
        """Yield each stage with its begin and its end; the last one ends at `ended_ns`. In nanoseconds since 1970."""
        ends = [begun_ns for _, begun_ns in self._entered[1:]] + [ended_ns]
        for (stage, begun_ns), end_ns in zip(self._entered, ends, strict=True):
            yield _NAMES[stage], begun_ns, end_ns
