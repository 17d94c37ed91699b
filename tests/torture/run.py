"""One run: a site, its clients, a nemesis, and the verdict."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.torture.aftermath import look, sizes
from tests.torture.checker import breaches
from tests.torture.clients import Clients
from tests.torture.faults import Way, ways_of
from tests.torture.nemesis import Inflicted, Nemesis
from tests.torture.records import Record
from tests.torture.schedule import schedule
from tests.torture.site import Site

log = logging.getLogger(__name__)

CROWD = 4
END_LIMIT_S = 180.0
AFTER_S = 15.0
"""How long after its healing an unavailability still counts to a fault."""


HARMLESS = frozenset({"echo", "cut client link", "stall client link", "slow client link"})
"""Kinds of fault that cost no run its worker."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run went."""

    seed: int
    broker: str
    duration_s: float
    record: Record
    inflicted: list[Inflicted]
    planned: Counter[str]
    missed: list[str]
    breaches: list[str]

    @property
    def accepted(self) -> int:
        return sum(bool(submission.job_ids) for submission in self.record.submissions)

    @property
    def retries(self) -> int:
        """How many of those repeat another."""
        return sum(bool(submission.job_ids and submission.origin) for submission in self.record.submissions)

    @property
    def refused(self) -> Counter[str]:
        """How often a job was refused, by the reason."""
        return Counter(submission.refused for submission in self.record.submissions if submission.refused)

    def longest_gap_s(self, kind: str) -> float:
        """Give the longest time without an accepted Submit in or shortly after a fault of a kind."""
        windows = [(each.begun_s, each.healed_s + AFTER_S) for each in self.inflicted if each.fault.kind == kind]
        return max((_longest_gap_s(self.record.accepted_at_s, *window) for window in windows), default=0.0)


def _longest_gap_s(times_s: Iterable[float], begin_s: float, end_s: float) -> float:
    inside = sorted(time_s for time_s in times_s if begin_s <= time_s <= end_s)
    marks = [begin_s, *inside, end_s]
    return max(later - earlier for earlier, later in pairwise(marks))


async def torture(
    folder: Path, *, seed: int, duration_s: float, nodes: int, kinds: Iterable[str] | None = None, dense: bool = False
) -> Verdict:
    """Run once. `nodes` of RabbitMQ, 0 for the embedded broker; `kinds` of faults, all that the site can suffer if None.

    A `dense` run has the faults closer together, and each shorter.
    """
    with Site(folder, nodes=nodes) as site:
        all_ways = ways_of(site)
        ways: dict[str, Way] = {kind: all_ways[kind] for kind in kinds or all_ways}
        pace = {"pause_s": 1.5, "longest_s": 4.0} if dense else {}
        faults = schedule(seed, duration_s, ways, **pace)
        record = Record(cut=site.cut)
        clients = Clients(site.targets, site.callers, record, seed=seed, crowd=CROWD)
        nemesis = Nemesis(site, ways, faults)
        before = sizes(site)
        running = asyncio.ensure_future(clients.run())
        await nemesis.run()
        log.info("%.1f s: no more faults, %d jobs are to be seen to their end", clients.now_s, len(record.submissions))
        clients.stopping.set()
        unended = not await _ended(running)
        record.undisturbed = all(each.fault.kind in HARMLESS for each in nemesis.inflicted)
        record.detector_losses = sum("detector" in each.fault.kind for each in nemesis.inflicted)
        blob_faults = [each for each in nemesis.inflicted if each.fault.kind.startswith("blob store")]
        record.blob_troubles = [(each.begun_s, each.healed_s) for each in blob_faults]
        log.info("%.1f s: looking at what is left", clients.now_s)
        record.aftermath = await look(site, record, before)
        if unended:
            record.aftermath.unhealed.append(f"clients still waited {END_LIMIT_S:g} s after the last fault was healed")
        broker = f"RabbitMQ, {nodes} nodes" if nodes else "embedded"
        return Verdict(seed, broker, duration_s, record, nemesis.inflicted, nemesis.planned, nemesis.missed, breaches(record))


async def _ended(running: asyncio.Future[None]) -> bool:
    try:
        async with asyncio.timeout(END_LIMIT_S):
            await running
    except TimeoutError:
        return False
    return True
