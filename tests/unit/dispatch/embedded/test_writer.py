"""Many writes in one transaction, and what their callers are told."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from dispatch.embedded import record_table
from dispatch.embedded.database import open_database
from dispatch.embedded.lock import FileLock
from dispatch.embedded.writer import Operation, Writer
from dispatch.errors import BrokerUnavailable, QueueFull

LIMIT_S = 20.0


@pytest.fixture
def confirm_timeout_s() -> float:
    return LIMIT_S


@pytest.fixture
async def writer(tmp_path: Path, confirm_timeout_s: float) -> AsyncIterator[Writer]:
    lock = FileLock(tmp_path / "lock")
    writer = Writer(open_database(tmp_path / "broker.db", lock), lock, confirm_timeout_s=confirm_timeout_s)
    yield writer
    await writer.close()
    lock.close()


def write(body: bytes) -> Operation[None]:
    return partial(record_table.append, body=body, now_ns=0)


def refuse(_: sqlite3.Connection) -> None:
    raise QueueFull("full")


def fail(_: sqlite3.Connection) -> None:
    raise sqlite3.OperationalError("disk I/O error")


def written(connection: sqlite3.Connection) -> list[bytes]:
    return [record.body for record in record_table.read_after(connection, 0)]


async def test_operations_are_done_in_the_order_of_asking(writer: Writer) -> None:
    bodies = [b"%d" % number for number in range(500)]
    await asyncio.gather(*(writer.submit(write(body)) for body in bodies))
    assert await writer.run(written) == bodies


async def test_a_refusal_concerns_only_the_one_who_asked(writer: Writer) -> None:
    one, refused, two = (writer.submit(operation) for operation in (write(b"1"), refuse, write(b"2")))
    with pytest.raises(QueueFull):
        await refused
    await asyncio.gather(one, two)
    assert await writer.run(written) == [b"1", b"2"]


async def test_a_failed_transaction_keeps_nothing_and_all_in_it_are_told(writer: Writer) -> None:
    begun, gate = Event(), Event()
    blocking = writer.submit(lambda _: (begun.set(), gate.wait(LIMIT_S)))  # what is asked for meanwhile goes into one transaction
    await asyncio.to_thread(begun.wait, LIMIT_S)
    outcomes = [writer.submit(operation) for operation in (write(b"1"), fail, write(b"2"))]
    gate.set()
    await blocking
    errors = await asyncio.gather(*outcomes, return_exceptions=True)
    assert [type(error) for error in errors] == [BrokerUnavailable] * 3
    assert await writer.run(written) == []


async def test_after_a_failure_only_a_write_proves_that_writing_works(writer: Writer) -> None:
    assert writer.confirming
    with pytest.raises(BrokerUnavailable):
        await writer.run(fail)
    assert not writer.confirming
    await writer.run(written)
    assert not writer.confirming
    await writer.run(write(b"1"))
    assert writer.confirming


@pytest.mark.parametrize("confirm_timeout_s", [0.1])
async def test_what_is_not_confirmed_in_time_may_still_be_written(writer: Writer) -> None:
    gate = Event()
    blocking = writer.submit(lambda _: gate.wait(LIMIT_S))
    with pytest.raises(BrokerUnavailable):
        await writer.run(write(b"late"))
    assert not writer.confirming
    gate.set()
    await blocking
    assert await writer.submit(written) == [b"late"]


async def test_closing_finishes_what_was_asked_for_and_takes_no_more(writer: Writer) -> None:
    last = writer.submit(write(b"last"))
    await writer.close()
    await last
    with pytest.raises(BrokerUnavailable):
        await writer.run(write(b"too late"))
