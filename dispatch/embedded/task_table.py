"""What happens to tasks, in SQL. Every function is one step of a transaction.

Leases and delays go by the machine's monotonic clock, which all its processes share and nobody sets. A consumer is dead when it
has given no sign of life for the length of a lease. That clock starts again with the machine, so a sign of life from the future
is one from before, and its consumer is dead too; and a delayed task from the future is due.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dispatch.errors import QueueFull

DEAD_LETTERS = ""
"""The queue of the dead letters."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A task as it was given to a consumer; `delivery` tells this hold from a later one of the same consumer."""

    id: int
    queue: str
    holder: str
    delivery: int
    reason: str
    body: bytes


Settlement = Callable[[sqlite3.Connection, Hold], None]
"""An end to a hold; it does nothing when the hold was lost before."""


def insert(connection: sqlite3.Connection, queue: str, body: bytes, *, now_ns: int, delay_ns: int, max_length: int) -> None:
    """Add a task that waits, or one that is delayed if `delay_ns` is not 0.

    Raises:
        QueueFull: `max_length` tasks wait already. Delayed ones come later and are always taken.
    """
    if not delay_ns and depth(connection, queue) >= max_length:
        raise QueueFull(f"{max_length} tasks wait in {queue}")
    row = (queue, body, now_ns, delay_ns)
    connection.execute("INSERT INTO task (queue, body, published_ns, delay_ns) VALUES (?, ?, ?, ?)", row)


def depth(connection: sqlite3.Connection, queue: str) -> int:
    """Count the tasks that wait."""
    row = connection.execute("SELECT waiting FROM depth WHERE queue = ?", (queue,)).fetchone()
    return row[0] if row else 0


def take(connection: sqlite3.Connection, consumer: str, rooms: Mapping[str, int], *, now_ns: int) -> list[Hold]:
    """Give `consumer` the oldest tasks, as many of each queue as it has room for."""
    holds: list[Hold] = []
    for (queue,) in connection.execute("SELECT queue FROM depth WHERE waiting > 0").fetchall():
        if room := rooms.get(queue, 0):
            holds += _take_from(connection, queue, room, consumer)
    if holds:
        beat(connection, [consumer], now_ns=now_ns, beat_ns=0)
    return holds


def _take_from(connection: sqlite3.Connection, queue: str, room: int, consumer: str) -> list[Hold]:
    rows = connection.execute(
        "UPDATE task SET holder = ?, deliveries = deliveries + 1 WHERE id IN"
        " (SELECT id FROM task WHERE queue = ? AND holder IS NULL AND delay_ns = 0 ORDER BY id LIMIT ?)"
        " RETURNING id, queue, holder, deliveries, reason, body",
        (consumer, queue, room),
    )
    return [Hold(*row) for row in sorted(rows.fetchall())]


def beat(connection: sqlite3.Connection, consumers: Iterable[str], *, now_ns: int, beat_ns: int) -> None:
    """Note a sign of life of each, if the last one is older than `beat_ns`."""
    connection.executemany(
        "INSERT INTO consumer VALUES (?, ?)"
        " ON CONFLICT DO UPDATE SET beat_ns = excluded.beat_ns"
        " WHERE beat_ns NOT BETWEEN excluded.beat_ns - ? AND excluded.beat_ns",
        [(consumer, now_ns, beat_ns) for consumer in consumers],
    )


def ack(connection: sqlite3.Connection, hold: Hold) -> None:
    connection.execute("DELETE FROM task WHERE id = ? AND holder = ? AND deliveries = ?", (hold.id, hold.holder, hold.delivery))


def reject(connection: sqlite3.Connection, hold: Hold) -> None:
    connection.execute(
        "UPDATE task SET queue = ?, reason = 'rejected', holder = NULL, deliveries = 0"
        " WHERE id = ? AND holder = ? AND deliveries = ?",
        (DEAD_LETTERS, hold.id, hold.holder, hold.delivery),
    )


def release(connection: sqlite3.Connection, hold: Hold) -> None:
    connection.execute(
        "UPDATE task SET holder = NULL, deliveries = deliveries - 1 WHERE id = ? AND holder = ? AND deliveries = ?",
        (hold.id, hold.holder, hold.delivery),
    )


def leave(connection: sqlite3.Connection, consumer: str, *, delivery_limit: int) -> None:
    """Forget `consumer`; what it holds waits again, or is a dead letter after `delivery_limit` deliveries."""
    connection.execute(
        "UPDATE task SET queue = ?, reason = 'delivery_limit', holder = NULL, deliveries = 0"
        " WHERE holder = ? AND deliveries >= ? AND queue != ?",
        (DEAD_LETTERS, consumer, delivery_limit, DEAD_LETTERS),
    )
    connection.execute("UPDATE task SET holder = NULL WHERE holder = ?", (consumer,))
    connection.execute("DELETE FROM consumer WHERE id = ?", (consumer,))


def bury(connection: sqlite3.Connection, *, now_ns: int, lease_ns: int, delivery_limit: int) -> int:
    """Let all dead consumers leave; return how many they were."""
    dead = connection.execute("SELECT id FROM consumer WHERE beat_ns NOT BETWEEN ? AND ?", (now_ns - lease_ns, now_ns)).fetchall()
    for (consumer,) in dead:
        leave(connection, consumer, delivery_limit=delivery_limit)
    return len(dead)


def promote(connection: sqlite3.Connection, *, now_ns: int) -> int:
    """Let the delayed tasks wait whose time has come; return how many they were. They come before younger ones."""
    return connection.execute(
        "UPDATE task SET delay_ns = 0 WHERE delay_ns > 0 AND ? NOT BETWEEN published_ns AND published_ns + delay_ns - 1",
        (now_ns,),
    ).rowcount
