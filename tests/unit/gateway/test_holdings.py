"""What principals have, counted from the log."""

from __future__ import annotations

import itertools

from dispatch.events import Accepted, Cancelled, Event, Purged, Refused, Spec, Started, Succeeded
from dispatch.fold import Fold
from gateway.holdings import NOTHING, Held, Holdings

numbers = itertools.count(1)


class Log:
    def __init__(self) -> None:
        self.fold = Fold()
        self.holdings = Holdings()

    def tell(self, kind: type[Event], job_id: str, **fields: object) -> bytes:
        number = next(numbers)
        event = kind(id=number.to_bytes(12), job_id=job_id, time_ns=number, **fields)
        self.holdings.on_change(self.fold.apply(event))
        return event.id

    def accept(self, job_id: str, principal: str, items: int, size: int) -> bytes:
        spec = Spec(principal, "m", 2, items, 3, 1, None, (), b"", stored_bytes=size)
        return self.tell(Accepted, job_id, spec=spec, digest=b"")


def test_jobs_and_items_count_until_they_end_and_bytes_until_they_are_removed() -> None:
    log = Log()
    accepted = log.accept("a", "ann", 2, 100)
    log.accept("b", "ann", 1, 10)
    log.accept("c", "bob", 5, 1)
    assert log.holdings.of("ann") == Held(2, 3, 110)
    log.tell(Started, "a", item=0, task_id="t", run_id="r", worker="w", accepted_id=accepted)
    log.tell(Succeeded, "a", item=0, run_id="r", timings=b"", result=b"")
    assert log.holdings.of("ann") == Held(2, 2, 110)
    log.tell(Cancelled, "a", reason="")
    assert log.holdings.of("ann") == Held(1, 1, 110)
    log.tell(Purged, "a")
    assert log.holdings.of("ann") == Held(1, 1, 10)
    assert log.holdings.of("bob") == Held(1, 5, 1)


def test_of_a_refused_job_and_of_one_who_has_nothing_nothing_is_kept() -> None:
    log = Log()
    log.accept("a", "ann", 2, 100)
    log.tell(Refused, "a", reason="QUOTA_JOBS")
    log.tell(Refused, "a", reason="QUOTA_JOBS")
    assert log.holdings.of("ann") == NOTHING
    assert not log.holdings._held
