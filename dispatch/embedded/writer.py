"""Writing to the database: one thread, and many writes in one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from dispatch.embedded.bell import Bell
from dispatch.embedded.lock import FileLock
from dispatch.errors import BrokerUnavailable, DispatchError

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]
"""Reads and writes within a transaction. Raises a DispatchError, if any, before it has written."""

MAX_BATCH = 1000


@dataclass(frozen=True, slots=True)
class _Write:
    operation: Operation[Any]
    future: asyncio.Future[Any]
    bell: Bell | None


@dataclass(frozen=True, slots=True)
class _Outcome:
    write: _Write
    result: Any = None
    error: DispatchError | None = None

    def tell(self) -> None:
        if self.write.future.done():
            return
        if self.error:
            self.write.future.set_exception(self.error)
        else:
            self.write.future.set_result(self.result)


class Writer:
    """Does one operation after another, in the order in which they were asked for.

    What is asked for while a transaction is being synced to the disk goes into the next one together, so the number of
    writes a second is not bound to the number of syncs.
    """

    def __init__(self, connection: sqlite3.Connection, lock: FileLock, *, confirm_timeout_s: float) -> None:
        self._connection = connection
        self._lock = lock
        self._confirm_timeout_s = confirm_timeout_s
        self._confirming = True
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Write | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="embedded-broker", daemon=True)
        self._thread.start()

    @property
    def confirming(self) -> bool:
        """Whether the last write was committed, and in time. A transaction that wrote nothing proves nothing."""
        return self._confirming and not self._closed and self._thread.is_alive()

    def submit(self, operation: Operation[T], bell: Bell | None = None) -> asyncio.Future[T]:
        """Queue the operation, and ring `bell` once it is committed. It is done even if nobody waits for it.

        The future raises BrokerUnavailable when it was not committed.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if self._closed:
            future.set_exception(BrokerUnavailable("the broker was closed"))
        else:
            self._queue.put(_Write(operation, future, bell))
        return future

    async def run(self, operation: Operation[T], bell: Bell | None = None) -> T:
        """Submit the operation and wait until it is committed.

        Raises:
            BrokerUnavailable: it was not, or not in time; then it may still be.
        """
        try:
            async with asyncio.timeout(self._confirm_timeout_s):
                return await self.submit(operation, bell)
        except TimeoutError as error:
            self._confirming = False
            raise BrokerUnavailable(f"the database did not confirm within {self._confirm_timeout_s} s") from error

    async def close(self) -> None:
        """Finish what was asked for and end."""
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, self._confirm_timeout_s)

    def _work(self) -> None:
        while batch := self._next_batch():
            outcomes = self._commit(batch)
            for bell in {write.bell for write in batch if write.bell}:
                bell.ring_elsewhere()
            self._loop.call_soon_threadsafe(self._tell, outcomes)
        self._connection.close()

    def _next_batch(self) -> list[_Write]:
        batch: list[_Write] = []
        while write := self._queue.get():
            batch.append(write)
            if len(batch) == MAX_BATCH or self._queue.empty():
                return batch
        if batch:
            self._queue.put(None)
        return batch

    def _commit(self, batch: list[_Write]) -> list[_Outcome]:
        changes = self._connection.total_changes
        try:
            with self._lock, self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                outcomes = [self._perform(write) for write in batch]
        except sqlite3.Error as error:
            self._confirming = False
            return [_Outcome(write, error=_unavailable(error)) for write in batch]
        if self._connection.total_changes > changes:
            self._confirming = True
        return outcomes

    def _perform(self, write: _Write) -> _Outcome:
        try:
            return _Outcome(write, result=write.operation(self._connection))
        except DispatchError as error:
            return _Outcome(write, error=error)

    def _tell(self, outcomes: list[_Outcome]) -> None:
        for outcome in outcomes:
            outcome.tell()
        for bell in {outcome.write.bell for outcome in outcomes if outcome.write.bell}:
            bell.ring()


def _unavailable(cause: sqlite3.Error) -> BrokerUnavailable:
    error = BrokerUnavailable(f"the database did not take it: {cause}")
    error.__cause__ = cause  # as `raise … from` does; this one is raised in another thread
    return error
