"""What is cut from the log, and what its readers are told."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dispatch.embedded import record_table
from dispatch.embedded.broker import EmbeddedBroker
from dispatch.embedded.database import open_database
from dispatch.embedded.lock import FileLock
from dispatch.embedded.record_table import CHUNK
from dispatch.errors import LogTruncated
from dispatch.ports import Record

Open = Callable[..., Awaitable[EmbeddedBroker]]
LIMIT_S = 20.0
LARGE = 1_000_000_000


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A log of the records 1, 2, 3, appended at these times."""
    lock = FileLock(tmp_path / "lock")
    connection = open_database(tmp_path / "broker.db", lock)
    for number in (1, 2, 3):
        record_table.append(connection, b"%d" % number, now_ns=number)
    yield connection
    connection.close()
    lock.close()


def test_records_past_their_age_are_cut(connection: sqlite3.Connection) -> None:
    assert record_table.prune(connection, before_ns=3, max_bytes=LARGE) == 2
    assert record_table.read_after(connection, 2) == [(3, b"3")]


def test_the_oldest_records_are_cut_when_the_file_is_too_large(connection: sqlite3.Connection) -> None:
    for _ in range(CHUNK):
        record_table.append(connection, b"x" * 1000, now_ns=4)
    assert record_table.prune(connection, before_ns=0, max_bytes=500_000) == CHUNK
    assert record_table.prune(connection, before_ns=0, max_bytes=500_000) == 0
    assert len(record_table.read_after(connection, CHUNK)) == 3


def test_a_reader_whose_next_record_is_gone_is_told(connection: sqlite3.Connection) -> None:
    record_table.prune(connection, before_ns=3, max_bytes=LARGE)
    with pytest.raises(LogTruncated):
        record_table.read_after(connection, 1)


def test_a_reader_is_told_even_if_all_records_are_gone(connection: sqlite3.Connection) -> None:
    record_table.prune(connection, before_ns=9, max_bytes=LARGE)
    with pytest.raises(LogTruncated):
        record_table.read_after(connection, 1)
    assert record_table.read_after(connection, 3) == []


def test_reading_from_the_start_begins_at_the_oldest_kept(connection: sqlite3.Connection) -> None:
    record_table.prune(connection, before_ns=2, max_bytes=LARGE)
    assert record_table.position_before(connection, 0) == 1
    assert record_table.oldest(connection) == 2
    record_table.prune(connection, before_ns=9, max_bytes=LARGE)
    assert record_table.position_before(connection, 0) == 3
    assert record_table.oldest(connection) == 4


@pytest.mark.parametrize(("time_ns", "first"), [(0, b"1"), (1, b"1"), (2, b"2"), (9, b"3")])
def test_looking_back_begins_at_the_last_record_that_is_not_younger(
    connection: sqlite3.Connection, time_ns: int, first: bytes
) -> None:
    position = record_table.position_before(connection, time_ns)
    assert record_table.read_after(connection, position)[0].body == first


def test_a_clock_that_goes_back_does_not_hide_records(connection: sqlite3.Connection) -> None:
    record_table.append(connection, b"4", now_ns=1)
    records = record_table.read_after(connection, record_table.position_before(connection, 2))
    assert records == [(2, b"2"), (3, b"3"), (4, b"4")]


async def test_a_follower_that_has_caught_up_goes_on_when_all_behind_it_is_cut(open_broker: Open) -> None:
    broker = await open_broker()
    records = broker.log.read()
    for body in (b"1", b"2"):
        await broker.log.append(body)
        assert [record.body for record in await anext(records)] == [body]
    pruning = await open_broker(log_max_age_s=0.0, lease_s=0.4)
    async with asyncio.timeout(LIMIT_S):
        while await broker.log.oldest() < 3:  # noqa: ASYNC110 - nobody tells when it comes true
            await asyncio.sleep(0.02)
        await pruning.close()
        await broker.log.append(b"3")
        assert await anext(records) == [(3, b"3")]


async def test_a_follower_that_missed_records_is_told(open_broker: Open) -> None:
    broker = await open_broker()
    await asyncio.gather(*(broker.log.append(b"%d" % number) for number in range(CHUNK + 1)))
    records = broker.log.read()
    await anext(records)
    await open_broker(log_max_age_s=0.0, lease_s=0.4)
    with pytest.raises(LogTruncated):
        await read_while_appending(broker, records)


async def read_while_appending(broker: EmbeddedBroker, records: AsyncIterator[Sequence[Record]]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            await broker.log.append(b"more")
            await anext(records)
