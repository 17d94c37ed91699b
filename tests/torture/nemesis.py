"""Who does the faults of a schedule to a site, and undoes them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.torture.faults import Way
from tests.torture.schedule import Fault, Missed, conflict
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
    """Goes through a schedule, leaving nothing out: a fault waits until what it occupies is free, in the schedule's order.

    Faults of other things overlap. One of everything waits until all before it are healed, and none after it begins beside it.
    """

    site: Site
    ways: Mapping[str, Way]
    faults: Sequence[Fault]
    inflicted: list[Inflicted] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    """What was planned and could not be done, and why."""

    @property
    def planned(self) -> Counter[str]:
        return Counter(fault.kind for fault in self.faults)

    async def run(self) -> None:
        """Return when the last fault is healed."""
        begun_s = time.monotonic()
        healed = [asyncio.Event() for _ in self.faults]
        wants = [self.ways[fault.kind].occupies(fault.target) for fault in self.faults]
        async with asyncio.TaskGroup() as group:
            for number, fault in enumerate(self.faults):
                before = [healed[other] for other in range(number) if conflict(wants[other], wants[number])]
                group.create_task(self._inflict(fault, begun_s, before, healed[number]))

    async def _inflict(self, fault: Fault, begun_s: float, before: Sequence[asyncio.Event], healed: asyncio.Event) -> None:
        await asyncio.sleep(max(0.0, begun_s + fault.at_s - time.monotonic()))
        for each in before:
            await each.wait()
        way = self.ways[fault.kind]
        start_s = time.monotonic() - begun_s
        log.info("%s%s", fault, f", {start_s - fault.at_s:.0f} s late" if start_s - fault.at_s >= 1 else "")
        try:
            await asyncio.to_thread(way.harm, self.site, fault.target)
            await asyncio.sleep(fault.length_s)
        except Missed as error:
            self.missed.append(f"{fault}: {error}")
            return
        finally:
            await asyncio.to_thread(way.heal, self.site, fault.target)
            healed_s = time.monotonic() - begun_s
            await asyncio.sleep(way.rest_s)
            healed.set()
        self.inflicted.append(Inflicted(fault, start_s, healed_s))
