"""Who does the faults of a schedule to a site, and undoes them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.torture.faults import EVERYTHING, Way
from tests.torture.schedule import Fault
from tests.torture.site import Site

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Inflicted:
    """A fault as it came to be. Times are in seconds from the run's beginning."""

    fault: Fault
    begun_s: float
    healed_s: float


@dataclass(slots=True)
class Nemesis:
    """Goes through a schedule. What a fault occupies is left alone until it is healed; faults of other things overlap.

    One of everything waits until all others are healed, and none begins beside it.
    """

    site: Site
    ways: Mapping[str, Way]
    faults: Sequence[Fault]
    inflicted: list[Inflicted] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    _occupied: set[str] = field(default_factory=set)
    _healed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        """Return when the last fault is healed."""
        begun_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in self.faults:
                await asyncio.sleep(max(0.0, begun_s + fault.at_s - time.monotonic()))
                group.create_task(self._inflict(fault, begun_s))

    async def _inflict(self, fault: Fault, begun_s: float) -> None:
        way = self.ways[fault.kind]
        occupied = way.occupies(fault.target)
        if occupied in self._occupied or EVERYTHING in self._occupied:
            self.left_out[fault.kind] += 1
            return
        self._occupied.add(occupied)
        if occupied == EVERYTHING:
            async with self._healed:
                await self._healed.wait_for(lambda: len(self._occupied) == 1)
        log.info("%s", fault)
        start_s = time.monotonic() - begun_s
        try:
            await asyncio.to_thread(way.harm, self.site, fault.target)
            await asyncio.sleep(fault.length_s)
        finally:
            await asyncio.to_thread(way.heal, self.site, fault.target)
            self._occupied.discard(occupied)
            async with self._healed:
                self._healed.notify_all()
        self.inflicted.append(Inflicted(fault, start_s, time.monotonic() - begun_s))
