"""Reading from the database, beside the writer and without waiting for it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from dispatch.errors import BrokerUnavailable

T = TypeVar("T")


class Reader:
    """One thread with a connection of its own; each query sees all that was committed before it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._closed = False
        self._thread = ThreadPoolExecutor(1, "embedded-broker-reader")

    async def run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `query` reads, all of it from one state of the database.

        Raises:
            BrokerUnavailable: the database cannot be read.
        """
        if self._closed:
            raise BrokerUnavailable("the broker was closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, query)
        except sqlite3.Error as error:
            raise BrokerUnavailable(f"the database cannot be read: {error}") from error

    def _transact(self, query: Callable[[sqlite3.Connection], T]) -> T:
        with self._connection:
            self._connection.execute("BEGIN")
            return query(self._connection)

    async def close(self) -> None:
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown)
        self._connection.close()
