"""What principals have, counted from the log."""

from __future__ import annotations

import itertools

from dispatch.events import Accepted, Cancelled, Event, Failed, Failure, Purged, Refused, Spec, Started, Succeeded
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


def test_of_what_is_fetched_counts_what_is_kept_free_until_it_is_known_how_much_there_is() -> None:
    log = Log()
    reserved = (0, 50, 50, 50)
    spec = Spec("ann", "m", 2, 4, 1, 1, None, (), b"", stored_bytes=160, reserved=reserved)
    accepted = log.tell(Accepted, "a", spec=spec, digest=b"")
    assert log.holdings.of("ann").bytes == 160
    for item in range(4):
        log.tell(Started, "a", item=item, task_id=f"t{item}", run_id="r", worker="w", accepted_id=accepted)
    log.tell(Succeeded, "a", item=0, run_id="r", timings=b"")
    assert log.holdings.of("ann").bytes == 160, "it was handed in"
    log.tell(Succeeded, "a", item=1, run_id="r", timings=b"", fetched_bytes=20)
    assert log.holdings.of("ann").bytes == 130
    failure = Failure("URI_NOT_FOUND", "")
    log.tell(Failed, "a", item=2, run_id="r", failure=failure, retryable=False, fetched_bytes=0)
    assert log.holdings.of("ann").bytes == 80
    log.tell(Cancelled, "a", reason="")
    assert log.holdings.of("ann").bytes == 80, "nobody knows how much of the last one is stored"
    log.tell(Purged, "a")
    assert log.holdings.of("ann") == NOTHING


def test_nothing_is_kept_free_for_what_was_never_begun() -> None:
    log = Log()
    log.tell(Accepted, "a", spec=Spec("ann", "m", 2, 2, 1, 1, None, (), b"", stored_bytes=100, reserved=(50, 50)), digest=b"")
    log.tell(Cancelled, "a", reason="")
    assert log.holdings.of("ann") == NOTHING
