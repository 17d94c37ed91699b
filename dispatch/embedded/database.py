"""The database file: its schema, and connections to it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from dispatch.embedded.lock import FileLock
from dispatch.errors import ConfigurationError

APPLICATION_ID = 0x6D796579
SCHEMA_VERSION = 2
BUSY_TIMEOUT_S = 5.0

# A task waits while it has no holder and delay_ns is 0, is delayed while that is not 0, and is held otherwise.
# A dead letter is a task of the queue "". Triggers count who waits, so that a full queue is known without counting it.
SCHEMA = """
CREATE TABLE task (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    holder TEXT,
    published_ns INTEGER NOT NULL DEFAULT 0,
    delay_ns INTEGER NOT NULL DEFAULT 0,
    deliveries INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    body BLOB NOT NULL
);
CREATE INDEX task_waiting ON task (queue, id) WHERE holder IS NULL AND delay_ns = 0;
CREATE INDEX task_delayed ON task (published_ns) WHERE delay_ns > 0;
CREATE INDEX task_held ON task (holder) WHERE holder IS NOT NULL;

CREATE TABLE depth (queue TEXT PRIMARY KEY, waiting INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER task_in AFTER INSERT ON task WHEN NEW.holder IS NULL AND NEW.delay_ns = 0 BEGIN
    INSERT INTO depth VALUES (NEW.queue, 1) ON CONFLICT DO UPDATE SET waiting = waiting + 1;
END;
CREATE TRIGGER task_back AFTER UPDATE ON task WHEN NEW.holder IS NULL AND NEW.delay_ns = 0 BEGIN
    INSERT INTO depth VALUES (NEW.queue, 1) ON CONFLICT DO UPDATE SET waiting = waiting + 1;
END;
CREATE TRIGGER task_out AFTER UPDATE ON task WHEN OLD.holder IS NULL AND OLD.delay_ns = 0 BEGIN
    UPDATE depth SET waiting = waiting - 1 WHERE queue = OLD.queue;
END;

CREATE TABLE consumer (id TEXT PRIMARY KEY, beat_ns INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE record (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time_ns INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX record_time ON record (time_ns);
"""
IDENTITY = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"


def open_database(file: Path, lock: FileLock) -> sqlite3.Connection:
    """Open `file` for writing, and make it if there is none.

    Raises:
        ConfigurationError: it cannot be used, is damaged, or is not ours.
    """
    connection = _connect(file)
    try:
        with lock:
            _configure(connection)
            _prepare(connection, file)
    except sqlite3.Error as error:
        connection.close()
        raise ConfigurationError(f"{file} cannot be used as the broker's database: {error}") from error
    except ConfigurationError:
        connection.close()
        raise
    return connection


def open_reader(file: Path) -> sqlite3.Connection:
    """Open `file`, which a writer has opened before, for reading."""
    connection = _connect(file)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _connect(file: Path) -> sqlite3.Connection:
    # Each connection is used by one thread, but opened and closed by others.
    return sqlite3.connect(file, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


def _configure(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_size_limit = 67108864")


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        application, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
        empty = not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if empty and not application:
        connection.executescript("\n".join(("BEGIN IMMEDIATE;", SCHEMA, IDENTITY, "COMMIT;")))
    elif application != APPLICATION_ID:
        raise ConfigurationError(f"{file} is the database of another program")
    elif version != SCHEMA_VERSION:
        raise ConfigurationError(f"{file} has version {version} of the broker's schema, this program knows {SCHEMA_VERSION}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value
