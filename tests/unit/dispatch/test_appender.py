"""The appender: what shares a record, and what does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from dispatch.appender import RECORD_BYTES, Appender
from dispatch.codec import decode_record
from dispatch.errors import BrokerUnavailable
from dispatch.events import Event, Marker, Refused
from dispatch.journal import new_event_id
from dispatch.ports import Record


class SlowLog:
    """A log that confirms, or refuses, when it is told to."""

    def __init__(self) -> None:
        self.records: list[list[Event]] = []
        self._arrived = asyncio.Condition()
        self._answers: asyncio.Queue[Exception | None] = asyncio.Queue()

    async def append(self, body: bytes) -> None:
        async with self._arrived:
            self.records.append(decode_record(body))
            self._arrived.notify_all()
        if error := await self._answers.get():
            raise error

    def answer(self, error: Exception | None = None) -> None:
        self._answers.put_nowait(error)

    async def has(self, records: int) -> None:
        async with asyncio.timeout(20), self._arrived:
            await self._arrived.wait_for(lambda: len(self.records) >= records)

    def read(self, *, lookback_s: float | None = None) -> AsyncIterator[Sequence[Record]]:
        raise NotImplementedError

    async def oldest(self) -> int:
        raise NotImplementedError


def event(size: int = 0) -> Event:
    if size:
        return Refused(id=new_event_id(), job_id="j", time_ns=1, reason="x" * size)
    return Marker(id=new_event_id(), job_id="", time_ns=1)


async def begun(appender: Appender, *events: Event) -> list[asyncio.Future[None]]:
    """Begin to append, each event in a turn of the loop of its own."""
    appends = []
    for each in events:
        appends.append(asyncio.ensure_future(appender.append(each)))
        await asyncio.sleep(0)
    return appends


async def test_what_comes_while_a_record_is_under_way_shares_the_next_in_its_order():
    log = SlowLog()
    appender = Appender(log)
    first, second, third = event(), event(), event()
    (alone,) = await begun(appender, first)
    await log.has(1)
    together = await begun(appender, second, third)
    assert log.records == [[first]]
    log.answer()
    await alone
    await log.has(2)
    assert log.records[1] == [second, third]
    log.answer()
    await asyncio.gather(*together)


async def test_after_a_shared_record_the_next_gathers_for_a_moment():
    log = SlowLog()
    appender = Appender(log, gather_s=1.0)
    shared = [asyncio.ensure_future(appender.append(event())) for _ in range(2)]
    log.answer()
    await asyncio.gather(*shared)
    log.answer()
    await asyncio.gather(*await begun(appender, event(), event(), event()))
    assert [len(record) for record in log.records] == [2, 3]


async def test_after_a_record_of_one_event_nobody_waits():
    log = SlowLog()
    appender = Appender(log, gather_s=3600.0)
    async with asyncio.timeout(20):
        for _ in range(3):
            log.answer()
            await appender.append(event())
    assert [len(record) for record in log.records] == [1, 1, 1]


async def test_a_record_holds_no_more_than_its_limit_unless_it_is_one_event():
    log = SlowLog()
    appender = Appender(log, gather_s=0.0)
    sizes = [RECORD_BYTES + 1, RECORD_BYTES // 2 - 100, RECORD_BYTES // 2 - 100, 1]
    for _ in sizes:
        log.answer()
    await asyncio.gather(*(appender.append(event(size)) for size in sizes))
    assert [len(record) for record in log.records] == [1, 3]
    log.answer()
    await asyncio.gather(*(appender.append(event(size)) for size in (RECORD_BYTES // 2, RECORD_BYTES // 2, 1)))
    assert [len(record) for record in log.records[2:]] == [1, 2]


async def test_a_failure_is_of_all_who_share_the_record_and_of_nobody_else():
    log = SlowLog()
    appender = Appender(log, gather_s=0.0)
    shared = [asyncio.ensure_future(appender.append(event())) for _ in range(2)]
    await log.has(1)
    (later,) = await begun(appender, event())
    log.answer(BrokerUnavailable("refused"))
    log.answer()
    outcomes = await asyncio.gather(*shared, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [BrokerUnavailable] * 2
    await later


async def test_whoever_leaves_takes_nobody_along():
    log = SlowLog()
    appender = Appender(log)
    leaves, stays = event(), event()
    leaving, staying = await begun(appender, leaves, stays)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    log.answer()
    log.answer()
    await staying
    assert [each for record in log.records for each in record] == [leaves, stays]
