"""The event log on SQLite."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TypeVar

from dispatch.embedded import record_table
from dispatch.embedded.bell import Bell
from dispatch.embedded.reader import Reader
from dispatch.embedded.writer import Writer
from dispatch.errors import BrokerUnavailable
from dispatch.ports import Record

log = logging.getLogger(__name__)

T = TypeVar("T")


class EmbeddedLog:
    """Implements `dispatch.ports.EventLog`. A record is in the log when its transaction is committed, in that order."""

    def __init__(self, writer: Writer, reader: Reader, bell: Bell) -> None:
        self._writer = writer
        self._reader = reader
        self._bell = bell

    async def append(self, body: bytes) -> None:
        await self._writer.run(partial(record_table.append, body=body, now_ns=time.time_ns()), self._bell)

    async def read(self, *, lookback_s: float | None = None) -> AsyncIterator[Sequence[Record]]:
        since_ns = 0 if lookback_s is None else time.time_ns() - int(lookback_s * 1e9)
        with self._bell.listen() as rung:
            position = await self._insist(partial(record_table.position_before, time_ns=since_ns), rung)
            while True:
                rung.clear()
                records = await self._insist(partial(record_table.read_after, position=position), rung)
                if records:
                    position = records[-1].position
                    yield records
                if len(records) < record_table.CHUNK:
                    await rung.wait()

    async def oldest(self) -> int:
        return await self._reader.run(record_table.oldest)

    async def _insist(self, query: Callable[[sqlite3.Connection], T], rung: asyncio.Event) -> T:
        while True:
            try:
                return await self._reader.run(query)
            except BrokerUnavailable as error:
                log.warning("the event log could not be read, trying again: %s", error)
            rung.clear()
            await rung.wait()
