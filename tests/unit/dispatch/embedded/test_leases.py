"""Who is dead, and what becomes of what the dead held: the steps in SQL, at times of our choosing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatch.embedded import task_table
from dispatch.embedded.database import open_database
from dispatch.embedded.lock import FileLock
from dispatch.embedded.task_table import Hold

QUEUE = "model/NORMAL"
LEASE_NS = 10


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    lock = FileLock(tmp_path / "lock")
    connection = open_database(tmp_path / "broker.db", lock)
    task_table.insert(connection, QUEUE, b"task", now_ns=0, delay_ns=0, max_length=10)
    yield connection
    connection.close()
    lock.close()


def take(connection: sqlite3.Connection, consumer: str, *, now_ns: int) -> list[Hold]:
    return task_table.take(connection, consumer, {QUEUE: 1}, now_ns=now_ns)


def bury(connection: sqlite3.Connection, *, now_ns: int, delivery_limit: int = 20) -> int:
    return task_table.bury(connection, now_ns=now_ns, lease_ns=LEASE_NS, delivery_limit=delivery_limit)


def test_a_task_stays_with_its_holder_while_the_lease_lasts(connection: sqlite3.Connection) -> None:
    take(connection, "one", now_ns=100)
    assert bury(connection, now_ns=110) == 0
    assert take(connection, "two", now_ns=110) == []


def test_a_task_goes_to_another_when_the_lease_is_over(connection: sqlite3.Connection) -> None:
    take(connection, "one", now_ns=100)
    assert bury(connection, now_ns=111) == 1
    (hold,) = take(connection, "two", now_ns=111)
    assert (hold.body, hold.delivery) == (b"task", 2)


def test_a_beat_renews_the_lease(connection: sqlite3.Connection) -> None:
    take(connection, "one", now_ns=100)
    task_table.beat(connection, ["one"], now_ns=109, beat_ns=3)
    assert bury(connection, now_ns=119) == 0


def test_a_beat_that_is_not_due_writes_nothing(connection: sqlite3.Connection) -> None:
    take(connection, "one", now_ns=100)
    before = connection.total_changes
    task_table.beat(connection, ["one"], now_ns=103, beat_ns=3)
    assert connection.total_changes == before


def test_a_beat_from_the_future_is_from_before_a_restart_of_the_machine(connection: sqlite3.Connection) -> None:
    take(connection, "one", now_ns=1_000_000)
    assert bury(connection, now_ns=5) == 1
    assert len(take(connection, "two", now_ns=5)) == 1


@pytest.mark.parametrize("settle", [task_table.ack, task_table.reject, task_table.release])
def test_after_a_lost_lease_settling_does_nothing(connection: sqlite3.Connection, settle: task_table.Settlement) -> None:
    (lost,) = take(connection, "one", now_ns=100)
    bury(connection, now_ns=200)
    (current,) = take(connection, "one", now_ns=200)
    settle(connection, lost)
    assert connection.execute("SELECT holder, deliveries, reason FROM task").fetchall() == [("one", current.delivery, "")]


def test_a_task_whose_holders_die_is_a_dead_letter_after_its_last_delivery(connection: sqlite3.Connection) -> None:
    take(connection, "one", now_ns=100)
    bury(connection, now_ns=200, delivery_limit=2)
    assert len(take(connection, "two", now_ns=200)) == 1
    bury(connection, now_ns=300, delivery_limit=2)
    assert take(connection, "three", now_ns=300) == []
    (letter,) = task_table.take(connection, "three", {task_table.DEAD_LETTERS: 1}, now_ns=300)
    assert (letter.body, letter.reason) == (b"task", "delivery_limit")


def test_a_dead_letter_is_never_dropped_however_often_its_holders_die(connection: sqlite3.Connection) -> None:
    (hold,) = take(connection, "one", now_ns=100)
    task_table.reject(connection, hold)
    for now_ns in range(100, 1000, 100):
        (letter,) = task_table.take(connection, "two", {task_table.DEAD_LETTERS: 1}, now_ns=now_ns)
        assert letter.reason == "rejected"
        bury(connection, now_ns=now_ns + 50, delivery_limit=2)


def test_a_release_does_not_count_as_a_delivery(connection: sqlite3.Connection) -> None:
    for _ in range(5):
        (hold,) = take(connection, "one", now_ns=100)
        assert hold.delivery == 1
        task_table.release(connection, hold)


def test_the_depth_follows_every_step(connection: sqlite3.Connection) -> None:
    def depths() -> tuple[int, int]:
        return task_table.depth(connection, QUEUE), task_table.depth(connection, task_table.DEAD_LETTERS)

    seen = [depths()]
    (hold,) = take(connection, "one", now_ns=100)
    seen.append(depths())
    task_table.release(connection, hold)
    seen.append(depths())
    (hold,) = take(connection, "one", now_ns=100)
    task_table.reject(connection, hold)
    seen.append(depths())
    task_table.insert(connection, QUEUE, b"delayed", now_ns=100, delay_ns=400, max_length=10)
    seen.append(depths())
    assert task_table.promote(connection, now_ns=499) == 0
    assert task_table.promote(connection, now_ns=500) == 1
    seen.append(depths())
    assert seen == [(1, 0), (0, 0), (1, 0), (0, 1), (0, 1), (1, 1)]


def test_a_delayed_task_is_due_after_its_delay_or_when_the_machine_has_started_anew(connection: sqlite3.Connection) -> None:
    for now_ns, due in ((1000, 0), (1399, 0), (1400, 1), (999, 1)):
        task_table.insert(connection, QUEUE, b"delayed", now_ns=1000, delay_ns=400, max_length=10)
        assert task_table.promote(connection, now_ns=now_ns) == due, now_ns
        task_table.promote(connection, now_ns=10_000)
