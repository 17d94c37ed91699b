"""What every event log must do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from dispatch.connect import connect
from dispatch.options import BrokerOptions
from dispatch.ports import Broker, Record
from harness.process import Process

LIMIT_S = 30.0


async def read(batches: AsyncIterator[Sequence[Record]], count: int) -> list[bytes]:
    records: list[bytes] = []
    async with asyncio.timeout(LIMIT_S):
        while len(records) < count:
            records.extend(record.body for record in await anext(batches))
    return records


async def append(broker: Broker, *bodies: bytes) -> None:
    for body in bodies:
        await broker.log.append(body)


async def test_records_are_read_in_the_order_of_appending(broker: Broker) -> None:
    bodies = [b"%d" % number for number in range(100)]
    await append(broker, *bodies)
    assert await read(broker.log.read(), 100) == bodies


async def test_many_appends_at_once_are_each_read_once(broker: Broker) -> None:
    bodies = [b"%04d" % number for number in range(2500)]
    await asyncio.gather(*map(broker.log.append, bodies))
    assert sorted(await read(broker.log.read(), 2500)) == bodies


async def test_all_readers_see_one_order(broker: Broker, another_broker: Broker) -> None:
    early = asyncio.create_task(read(broker.log.read(), 400))
    await asyncio.gather(
        *(broker.log.append(b"a%d" % number) for number in range(200)),
        *(another_broker.log.append(b"b%d" % number) for number in range(200)),
    )
    assert await early == await read(another_broker.log.read(), 400)


async def test_a_reader_follows_what_others_append(broker: Broker, another_broker: Broker) -> None:
    await append(broker, b"first")
    batches = another_broker.log.read()
    assert await read(batches, 1) == [b"first"]
    waiting = asyncio.create_task(read(batches, 1))
    await append(broker, b"second")
    assert await waiting == [b"second"]


async def test_a_reader_of_an_empty_log_waits_for_its_first_record(broker: Broker) -> None:
    waiting = asyncio.create_task(read(broker.log.read(), 1))
    await asyncio.sleep(0)
    await append(broker, b"first")
    assert await waiting == [b"first"]


async def test_a_reader_goes_on_after_every_pause(broker: Broker) -> None:
    batches = broker.log.read()
    for number in range(10):
        await append(broker, b"%d" % number)
        assert await read(batches, 1) == [b"%d" % number]


async def test_another_process_appends_to_the_same_log(broker: Broker, other_process: Callable[[str], Process]) -> None:
    other_process("append")
    assert await read(broker.log.read(), 3) == [b"one", b"two", b"three"]


async def test_the_log_survives_close_and_reopen(broker_url: str, options: BrokerOptions) -> None:
    broker = await connect(broker_url, options)
    await append(broker, b"before")
    await broker.close()
    broker = await connect(broker_url, options)
    await append(broker, b"after")
    assert await read(broker.log.read(), 2) == [b"before", b"after"]
    await broker.close()


async def test_looking_back_further_than_the_log_reads_all_of_it(broker: Broker) -> None:
    await append(broker, b"a", b"b")
    assert await read(broker.log.read(lookback_s=3600), 2) == [b"a", b"b"]


async def test_looking_back_not_at_all_still_misses_nothing_new(broker: Broker) -> None:
    await append(broker, b"old")
    batches = broker.log.read(lookback_s=0.0)
    seen: list[bytes] = []
    appending = asyncio.create_task(append(broker, b"new"))
    async with asyncio.timeout(LIMIT_S):
        while b"new" not in seen:
            seen.extend(record.body for record in await anext(batches))
    await appending
    assert seen[-1] == b"new"


async def test_positions_grow_from_the_oldest_on_and_are_the_same_for_every_reader(
    broker: Broker, another_broker: Broker
) -> None:
    await append(broker, b"a", b"b", b"c")
    async with asyncio.timeout(LIMIT_S):
        records = [record for log in (broker.log, another_broker.log) for record in await all_of(log.read(), 3)]
        assert await another_broker.log.oldest() == records[0].position
    assert records[:3] == records[3:]
    assert records[0].position < records[1].position < records[2].position


async def all_of(batches: AsyncIterator[Sequence[Record]], count: int) -> list[Record]:
    records: list[Record] = []
    while len(records) < count:
        records.extend(await anext(batches))
    return records


async def test_records_are_any_bytes(broker: Broker) -> None:
    bodies = [b"", bytes(range(256)), bytes(range(256)) * 400]
    await append(broker, *bodies)
    assert await read(broker.log.read(), 3) == bodies
