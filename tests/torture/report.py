"""A verdict in words and a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.torture.run import Verdict

BREACHES_SHOWN = 50


def lines(verdict: Verdict) -> Iterator[str]:
    """Tell how a run went."""
    yield (
        f"{verdict.broker}, seed {verdict.seed}, {verdict.duration_s:g} s: {verdict.accepted} jobs accepted, "
        f"{verdict.retries} of them retries, {len(verdict.inflicted)} faults"
    )
    if verdict.refused:
        yield f"refused: {dict(sorted(verdict.refused.items()))}"
    inflicted = Counter(each.fault.kind for each in verdict.inflicted)
    yield f"{'fault':<22}{'planned':>8}{'injected':>9}{'longest without an accepted Submit':>36}"
    for kind, count in sorted(verdict.planned.items()):
        yield f"{kind:<22}{count:>8}{inflicted[kind]:>9}{verdict.longest_gap_s(kind):>34.1f} s"
    if cut := len(verdict.record.cut):
        yield f"{cut} jobs had lost their beginning with the oldest part of the log, and are promised no more than one end"
    for breach in verdict.breaches[:BREACHES_SHOWN]:
        yield f"BREACH {breach}"
    for missed in verdict.missed:
        yield f"MISSED {missed}"
    yield f"{len(verdict.breaches)} breaches" if verdict.breaches else "no promise was broken"
