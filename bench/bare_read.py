"""Reading an event log with the driver alone: the limit for a gateway that starts."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.raw_stack import open_channel
from dispatch.v1.event_pb2 import Record

PREFETCH = 1000
ACK_EVERY = 100
SILENCE_S = 0.5
"""A stream has no end; after this long without a record it counts as read."""


@dataclass(frozen=True, slots=True)
class BareRead:
    """How much was read, and in which time."""

    jobs: int
    events: int
    taken_s: float
    cpu_s: float

    @classmethod
    def of(cls, bodies: Sequence[bytes], taken_s: float, cpu_s: float) -> BareRead:
        """Count what is in the records."""
        events = [event for body in bodies for event in Record.FromString(body).events]
        return cls(sum(event.HasField("accepted") for event in events), len(events), taken_s, cpu_s)


async def read_stream(url: str, stream: str) -> BareRead:
    """Read a stream on RabbitMQ from its first record to its last."""
    channel = await open_channel(url)
    bodies: list[bytes] = []
    news = asyncio.Event()

    def take(_channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        bodies.append(body)
        news.set()
        if len(bodies) % ACK_EVERY == 0:
            channel.basic_ack(method.delivery_tag, multiple=True)

    channel.basic_qos(prefetch_count=PREFETCH)
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    last_s, last_cpu_s = begun_s, begun_cpu_s
    channel.basic_consume(stream, take, arguments={"x-stream-offset": "first"})
    while await _within(news, SILENCE_S if bodies else None):
        news.clear()
        last_s, last_cpu_s = time.perf_counter(), time.process_time()
    channel.connection.close()
    return BareRead.of(bodies, last_s - begun_s, last_cpu_s - begun_cpu_s)


async def _within(news: asyncio.Event, limit_s: float | None) -> bool:
    try:
        async with asyncio.timeout(limit_s):
            return await news.wait()
    except TimeoutError:
        return False


async def read_database(file: Path) -> BareRead:
    """Read the records of an embedded broker."""
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    with sqlite3.connect(file) as connection:
        bodies = [body for (body,) in connection.execute("SELECT body FROM record ORDER BY id")]
    taken_s, cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
    connection.close()
    return BareRead.of(bodies, taken_s, cpu_s)
