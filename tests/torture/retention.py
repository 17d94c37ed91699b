"""The log's own retention at work under running processes: its oldest part is dropped, and jobs lose their beginning."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from dispatch.codec import decode_record, encode_record
from dispatch.connect import connect
from dispatch.embedded import record_table
from dispatch.embedded.broker import DATABASE
from dispatch.embedded.lock import FileLock
from dispatch.errors import DispatchError, LogTruncated
from dispatch.events import Accepted, Marker
from dispatch.journal import new_event_id
from dispatch.options import BrokerOptions
from harness.rabbit import RabbitNode
from tests.torture.schedule import Missed

SHARE = 0.04
"""Of all records, how many are dropped at once on the embedded broker."""
SEGMENT_BYTES = 80_000
"""RabbitMQ drops whole segments of a stream, and looks whether it should when it begins a new one."""
FILLER_BYTES = 20_000
OVERHEAD_BYTES = 120
"""Of a record in a stream, about."""
LEAST_BYTES = 5 * SEGMENT_BYTES
"""What is left of a stream, so that a short run does not lose all its jobs."""
LOG = "myeye.log"
POLICY = "torture-log"
ANSWER_S = 20.0
PATIENCE_S = 90.0

Result = TypeVar("Result")


def small_segments(node: RabbitNode) -> None:
    """Let the log of a cluster, which is not there yet, have segments of SEGMENT_BYTES."""
    _set_policy(node, {"stream-max-segment-size-bytes": SEGMENT_BYTES})


def cut_embedded(folder: Path) -> set[str]:
    """Drop the oldest records of the broker in a folder; name the jobs whose beginning is gone."""
    lock = FileLock(folder / "broker.lock")
    with closing(sqlite3.connect(folder / DATABASE, timeout=ANSWER_S, isolation_level=None)) as connection, lock, connection:
        connection.execute("BEGIN IMMEDIATE")
        rows = connection.execute("SELECT time_ns, body FROM record ORDER BY id").fetchall()
        if not rows:
            return set()
        before_ns = rows[int(len(rows) * SHARE)][0]
        record_table.prune(connection, before_ns=before_ns, max_bytes=1 << 62)
        dropped = [body for time_ns, body in rows[: record_table.CHUNK] if time_ns < before_ns]
    lock.close()
    return _begun(dropped)


def cut_stream(nodes: list[RabbitNode]) -> set[str]:
    """Let all replicas drop the oldest segments; name the jobs whose beginning is gone on any of them.

    Raises:
        Missed: the log cannot be read, and nothing was done.
    """
    return asyncio.run(_cut_stream(nodes))


def begun_in_stream(nodes: list[RabbitNode]) -> list[set[str]]:
    """Name the jobs whose beginning each replica has."""

    async def each() -> list[set[str]]:
        return [_begun(await _records(node)) for node in nodes]

    return asyncio.run(_insist(each))


async def _cut_stream(nodes: list[RabbitNode]) -> set[str]:
    try:
        before = await _insist(lambda: _records(nodes[0]))
    except (DispatchError, TimeoutError) as error:
        raise Missed(f"the log cannot be read: {error}") from error
    size = sum(len(body) + OVERHEAD_BYTES for body in before)
    policy = {"stream-max-segment-size-bytes": SEGMENT_BYTES, "max-length-bytes": max(size, LEAST_BYTES)}
    await asyncio.to_thread(_set_policy, nodes[0], policy)
    try:
        with suppress(DispatchError, TimeoutError):  # the load fills segments too
            await _fill(nodes[0])
    finally:
        await asyncio.to_thread(small_segments, nodes[0])
    jobs = _begun(before)
    left = await _insist(lambda: _begun_everywhere(nodes))
    return jobs - left


async def _begun_everywhere(nodes: list[RabbitNode]) -> set[str]:
    return set.intersection(*[_begun(await _records(node)) for node in nodes])


async def _insist(read: Callable[[], Awaitable[Result]]) -> Result:
    """Read until it works, as far as PATIENCE_S goes."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await read()
        except (DispatchError, TimeoutError):
            if time.monotonic() > end_s:
                raise
            await asyncio.sleep(0.5)


async def _records(node: RabbitNode) -> list[bytes]:
    """Read what a node has of the log."""
    broker = await connect(node.url, BrokerOptions())
    marker = encode_record([Marker(id=new_event_id(), job_id="", time_ns=0, writer="")])
    found: list[bytes] = []
    try:
        async with asyncio.timeout(ANSWER_S):
            await broker.log.append(marker)
            with suppress(LogTruncated):
                async for batch in broker.log.read():
                    found.extend(record.body for record in batch)
                    if marker in found[-len(batch) :]:
                        break
    finally:
        await broker.close()
    return found


async def _fill(node: RabbitNode) -> None:
    """Append what means nothing to anybody, until a segment must have been begun."""
    broker = await connect(node.url, BrokerOptions())
    try:
        async with asyncio.timeout(ANSWER_S):
            for _ in range(SEGMENT_BYTES // FILLER_BYTES + 1):
                marker = Marker(id=new_event_id(), job_id="", time_ns=0, writer="-" * FILLER_BYTES)
                await broker.log.append(encode_record([marker]))
    finally:
        await broker.close()


def _begun(records: list[bytes]) -> set[str]:
    return {event.job_id for body in records for event in decode_record(body) if isinstance(event, Accepted)}


def _set_policy(node: RabbitNode, definition: dict[str, int]) -> None:
    node.ctl("set_policy", POLICY, f"^{LOG}$", json.dumps(definition), "--apply-to", "queues")
