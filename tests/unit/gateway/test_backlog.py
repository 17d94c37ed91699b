"""Places in the queue."""

from __future__ import annotations

import itertools

from dispatch.events import Accepted, Cancelled, Spec, Started, Succeeded
from dispatch.fold import Fold
from dispatch.ports import Lane
from gateway.backlog import Backlog

ids = (number.to_bytes(12) for number in itertools.count(1))


class Line:
    """A fold with a backlog behind it."""

    def __init__(self) -> None:
        self.fold = Fold()
        self.backlog = Backlog()
        self.clock = itertools.count(1_000, 1_000)
        self.accepted: dict[str, bytes] = {}

    def common(self, job_id: str) -> dict[str, object]:
        return {"id": next(ids), "job_id": job_id, "time_ns": next(self.clock)}

    def accept(self, job_id: str, items: int = 1, lane: Lane = Lane.NORMAL, principal: str = "") -> None:
        spec = Spec(principal, "m", lane, items, 3, 1, None, (), b"")
        event = Accepted(**self.common(job_id), spec=spec, digest=b"")
        self.accepted[job_id] = event.id
        self.backlog.on_change(self.fold.apply(event))

    def start(self, job_id: str, item: int = 0) -> None:
        names = {"task_id": f"t{item}", "run_id": f"r{item}", "worker": "w", "accepted_id": self.accepted[job_id]}
        self.backlog.on_change(self.fold.apply(Started(**self.common(job_id), item=item, **names)))

    def succeed(self, job_id: str, item: int = 0) -> None:
        event = Succeeded(**self.common(job_id), item=item, run_id=f"r{item}", result=b"", timings=b"")
        self.backlog.on_change(self.fold.apply(event))

    def cancel(self, job_id: str) -> None:
        self.backlog.on_change(self.fold.apply(Cancelled(**self.common(job_id), reason="")))

    def position(self, job_id: str) -> int:
        return self.backlog.position(self.fold.jobs[job_id])


def test_a_job_stands_behind_the_items_accepted_before_it():
    line = Line()
    line.accept("a", items=3)
    line.accept("b")
    assert (line.position("a"), line.position("b")) == (0, 3)


def test_a_job_moves_up_when_items_before_it_start_or_are_cancelled():
    line = Line()
    line.accept("a", items=3)
    line.accept("b")
    line.start("a", 0)
    assert line.position("b") == 2
    line.cancel("a")
    assert line.position("b") == 0


def test_more_urgent_items_are_before_it_and_less_urgent_are_not():
    line = Line()
    line.accept("low", lane=Lane.LOW)
    line.accept("normal")
    line.accept("high", items=2, lane=Lane.HIGH)
    assert (line.position("high"), line.position("normal"), line.position("low")) == (0, 2, 3)


def test_however_much_another_has_waiting_it_takes_turns():
    line = Line()
    line.accept("bulk", items=2000, principal="ann")
    line.accept("first", principal="bob")
    line.accept("second", items=2, principal="bob")
    assert (line.position("bulk"), line.position("first"), line.position("second")) == (1, 1, 3)
    assert [line.backlog.ahead(line.fold.jobs[job_id]) for job_id in ("bulk", "first", "second")] == [0, 0, 1]


def test_the_pace_is_the_mean_time_to_the_next_end():
    line = Line()
    assert line.backlog.pace_ns("m") is None
    line.accept("a", items=2)
    for item in range(2):
        line.start("a", item)
        line.succeed("a", item)
    assert line.backlog.pace_ns("m") == 2_000


def test_time_in_which_there_was_nothing_to_do_does_not_slow_the_pace():
    line = Line()
    for job_id in ("morning", "evening"):
        line.accept(job_id)
        line.start(job_id)
        line.succeed(job_id)
        line.clock = itertools.count(next(line.clock) + 3_600_000, 1_000)
    assert line.backlog.pace_ns("m") == 2_000


def test_nothing_is_remembered_of_finished_jobs():
    line = Line()
    line.accept("a")
    line.cancel("a")
    line.accept("b")
    line.start("b")
    line.succeed("b")
    assert line.backlog._before == {}
    assert not any(line.backlog._lines.values())
