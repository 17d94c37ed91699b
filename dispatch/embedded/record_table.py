"""The log, in SQL. Records are numbered without gaps, for a number that is rolled back is given again."""

from __future__ import annotations

import sqlite3

from dispatch.errors import LogTruncated
from dispatch.ports import Record

CHUNK = 1000
"""Records that are read or pruned at once."""


def append(connection: sqlite3.Connection, body: bytes, *, now_ns: int) -> None:
    """Add a record. Its time is never before the last one's, whatever the clock does."""
    connection.execute(
        "INSERT INTO record (time_ns, body)"
        " VALUES (max(?, coalesce((SELECT time_ns FROM record ORDER BY id DESC LIMIT 1), 0)), ?)",
        (now_ns, body),
    )


def position_before(connection: sqlite3.Connection, time_ns: int) -> int:
    """Return the number after which to read so as to have all records since `time_ns`, or all that are kept."""
    row = connection.execute(
        "SELECT id FROM record WHERE time_ns <= ? ORDER BY time_ns DESC, id DESC LIMIT 1", (time_ns,)
    ).fetchone()
    return (row[0] if row else oldest(connection)) - 1


def oldest(connection: sqlite3.Connection) -> int:
    """Return the number of the oldest record, or that of the next one when there is none."""
    row = connection.execute("SELECT min(id) FROM record").fetchone()
    return row[0] or _last(connection) + 1


def read_after(connection: sqlite3.Connection, position: int) -> list[Record]:
    """Read the records after number `position`, at most a chunk.

    Raises:
        LogTruncated: the next one was pruned.
    """
    rows = connection.execute("SELECT id, body FROM record WHERE id > ? ORDER BY id LIMIT ?", (position, CHUNK)).fetchall()
    first = rows[0][0] if rows else _last(connection) + 1
    if first != position + 1:
        raise LogTruncated(f"record {position + 1} is gone, the next one is {first}")
    return [Record(*row) for row in rows]


def prune(connection: sqlite3.Connection, *, before_ns: int, max_bytes: int) -> int:
    """Remove the oldest records, at most a chunk: those before `before_ns`, or any while the file holds more than `max_bytes`.

    Return how many they were.
    """
    return connection.execute(
        "DELETE FROM record WHERE id < (SELECT min(id) FROM record) + ? AND (time_ns < ? OR ?)",
        (CHUNK, before_ns, _used_bytes(connection) > max_bytes),
    ).rowcount


def _last(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'record'").fetchone()
    return row[0] if row else 0


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    used: int = (pages - free) * size
    return used
