"""Tasks that a worker holds and has not begun, and which of them is next."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from dispatch.ports import Delivery, Lane

PATIENCE = 4
"""Of so many tasks taken from a lane, one is of the share that has been passed over for longest."""


class Waiting:
    """Gives the most urgent lane first, and within it the least share, whose tasks are of those who have little waiting.

    One in PATIENCE of the tasks of a lane is of another share, so that many who have little do not starve one who has much.
    """

    def __init__(self) -> None:
        self._lines = {lane: _Line() for lane in sorted(Lane, reverse=True)}

    def push(self, delivery: Delivery) -> None:
        """Add one. Within a lane and share they come out in the order in which they went in."""
        queue = delivery.queue
        self._lines[queue.lane if queue else Lane.NORMAL].push(queue.share if queue else 0, delivery)

    def pop(self) -> Delivery | None:
        """Take the next one; None when there is none."""
        return next((delivery for line in self._lines.values() if (delivery := line.pop())), None)

    def drain(self) -> Iterator[Delivery]:
        """Take all."""
        while delivery := self.pop():
            yield delivery


class _Line:
    """The tasks of a lane. `_passed` counts, of each share, the tasks of others that went before while it had some."""

    def __init__(self) -> None:
        self._shares: dict[int, deque[Delivery]] = {}
        self._passed: dict[int, int] = {}
        self._choices = 0

    def push(self, share: int, delivery: Delivery) -> None:
        self._shares.setdefault(share, deque()).append(delivery)
        self._passed.setdefault(share, 0)

    def pop(self) -> Delivery | None:
        if not self._shares:
            return None
        share = next(iter(self._shares)) if len(self._shares) == 1 else self._choose()
        deliveries = self._shares[share]
        delivery = deliveries.popleft()
        self._passed[share] = 0
        if not deliveries:
            del self._shares[share], self._passed[share]
        return delivery

    def _choose(self) -> int:
        self._choices += 1
        patient = self._choices % PATIENCE == 0
        share = max(self._shares, key=lambda each: self._passed[each]) if patient else min(self._shares)
        for other in self._shares:
            self._passed[other] += 1
        return share
