"""Files that are ours, and files that are not."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dispatch.embedded.broker import EmbeddedBroker
from dispatch.embedded.database import open_database
from dispatch.embedded.lock import FileLock
from dispatch.errors import ConfigurationError

Open = Callable[..., Awaitable[EmbeddedBroker]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "broker").mkdir()
    return tmp_path / "broker" / "broker.db"


@pytest.fixture
def damaged(file: Path) -> None:
    file.write_bytes(b"not a database" * 1000)


@pytest.mark.usefixtures("damaged")
async def test_a_file_that_is_no_database_is_refused(open_broker: Open) -> None:
    with pytest.raises(ConfigurationError, match="cannot be used"):
        await open_broker()


async def test_the_database_of_another_program_is_refused_and_left_alone(file: Path, open_broker: Open) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(ConfigurationError, match="another program"):
        await open_broker()
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]
    connection.close()


async def test_a_schema_of_another_version_is_refused(file: Path, open_broker: Open) -> None:
    await (await open_broker()).close()
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigurationError, match="version 99"):
        await open_broker()


async def test_a_folder_below_a_file_is_refused(tmp_path: Path, open_broker: Open) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be used"):
        await open_broker("file/broker")


def test_a_commit_is_synced_to_the_disk(file: Path) -> None:
    lock = FileLock(file.with_name("lock"))
    connection = open_database(file, lock)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()
    lock.close()
