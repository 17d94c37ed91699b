"""Writing to the event log and knowing what came of it.

Whoever appends an event also reads the log, and so learns the event's fate from the one place that decides it: the fold.
`commit` returns that verdict. Two gateways that cancel and finish the same job at once so get the same answer, without
talking to each other.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
import time
from collections.abc import Callable

from dispatch.appender import Appender
from dispatch.codec import decode_record
from dispatch.errors import BrokerUnavailable, ConfigurationError, LogTruncated
from dispatch.events import Event, Marker
from dispatch.fold import Change, Fold
from dispatch.lifecycle import Job
from dispatch.ports import EventLog

log = logging.getLogger(__name__)

VERDICT_TIMEOUT_S = 10.0


def new_event_id() -> bytes:
    """Make the identifier of an event: 12 random bytes."""
    return os.urandom(12)


class Journal:
    """The log with its fold: append, and follow.

    `on_change` is called for every event read, in order; `on_reset` when the log has to be read anew and the fold is empty again.
    `writer` names who appends, where that is to be known.
    """

    def __init__(
        self,
        event_log: EventLog,
        *,
        on_change: Callable[[Change], None],
        on_reset: Callable[[], None],
        lookback_s: float | None = None,
        writer: str = "",
    ) -> None:
        self.fold = Fold()
        self.writer = writer
        self._log = event_log
        self._on_change = on_change
        self._on_reset = on_reset
        self._lookback_s = lookback_s
        self._begun_at: dict[str, int] = {}
        """Of each job in the fold: the position of the record that it begins with. In the order of the log."""
        self._verdicts: dict[bytes, asyncio.Future[Change]] = {}
        self._appender = Appender(event_log)
        self._barrier: asyncio.Task[Change] | None = None

    async def follow(self) -> None:
        """Read the log for ever and fold it."""
        while True:
            try:
                async for batch in self._log.read(lookback_s=self._lookback_s):
                    for record in batch:
                        for event in decode_record(record.body):
                            self._take(event, record.position)
            except LogTruncated as error:
                log.error("the event log was cut under its reader, reading it again from the start: %s", error)
                self.fold = Fold()
                self._begun_at.clear()
                self._on_reset()

    def _take(self, event: Event, position: int) -> None:
        change = self.fold.apply(event)
        if change.after is None:
            self._begun_at.pop(event.job_id, None)
        elif change.before is None:
            self._begun_at[event.job_id] = position
        self._on_change(change)
        verdict = self._verdicts.pop(event.id, None)
        if verdict and not verdict.done():
            verdict.set_result(change)

    def forget(self, job_id: str) -> None:
        """Drop a job from the fold; later events find no job."""
        self.fold.forget(job_id)
        self._begun_at.pop(job_id, None)

    async def without_beginning(self) -> list[Job]:
        """Give the jobs whose beginning the log has dropped: whoever begins to read it now does not know them.

        Raises:
            BrokerUnavailable, ConfigurationError: the log did not tell.
        """
        fold, oldest = self.fold, await self._log.oldest()
        if fold is not self.fold:  # it was cut further, and is read anew
            return []
        begun = itertools.takewhile(lambda job_id: self._begun_at[job_id] < oldest, self._begun_at)
        return [fold.jobs[job_id] for job_id in begun]

    async def append(self, event: Event) -> None:
        """Return once the event is durable. Events that are appended while others are on their way share a record.

        Raises:
            BrokerUnavailable: not confirmed; it may or may not be in the log.
        """
        await self._appender.append(event)

    async def commit(self, event: Event) -> Change:
        """Append the event and return what it did, as every reader of the log sees it.

        Raises:
            BrokerUnavailable: not confirmed, or not read back in time; it may or may not be in the log.
        """
        verdict: asyncio.Future[Change] = asyncio.get_running_loop().create_future()
        self._verdicts[event.id] = verdict
        try:
            await self.append(event)
            async with asyncio.timeout(VERDICT_TIMEOUT_S):
                return await verdict
        except TimeoutError as error:
            raise BrokerUnavailable("the event log was not read back in time") from error
        finally:
            self._verdicts.pop(event.id, None)

    async def insist(self, event: Event) -> Change:
        """Commit the event however long it takes, through broker restarts and until an operator has mended the configuration."""
        pause_s = 0.1
        while True:
            try:
                return await self.commit(event)
            except (BrokerUnavailable, ConfigurationError) as error:
                log.warning("event of job %s not confirmed, trying again: %s", event.job_id, error)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))
            pause_s = min(pause_s * 2, 5.0)

    async def barrier(self) -> None:
        """Return once everything that was in the log when this was called has been folded; calls share markers.

        Raises:
            BrokerUnavailable: the log did not answer in time.
        """
        if self._barrier is not None:  # one is under way, but its marker may already be in the log: wait, then use the next
            await asyncio.wait({self._barrier})
        if self._barrier is None or self._barrier.done():
            marker = Marker(id=new_event_id(), job_id="", time_ns=time.time_ns(), writer=self.writer)
            self._barrier = asyncio.ensure_future(self.commit(marker))
            self._barrier.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._barrier)
