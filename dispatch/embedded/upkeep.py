"""What is due with time: signs of life, the tasks of the dead, delayed tasks, old records."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass
from sqlite3 import Connection

from dispatch.embedded import record_table, task_table
from dispatch.embedded.bell import Bell
from dispatch.embedded.tasks import EmbeddedTasks
from dispatch.embedded.writer import Writer
from dispatch.errors import BrokerUnavailable
from dispatch.options import BrokerOptions

log = logging.getLogger(__name__)

MAX_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class _Done:
    tasks_wait: bool
    more_to_prune: bool


class Upkeep:
    """A round every second or so, in each process. It also rings the bells, should a datagram have been lost."""

    def __init__(self, writer: Writer, tasks: EmbeddedTasks, options: BrokerOptions, *, task_bell: Bell, log_bell: Bell) -> None:
        self._id = secrets.token_hex(8)
        self._writer = writer
        self._tasks = tasks
        self._options = options
        self._task_bell = task_bell
        self._log_bell = log_bell
        self._lease_ns = int(options.lease_s * 1e9)
        self._last_ns = 0

    async def run(self) -> None:
        """Do rounds for ever."""
        while True:
            pause_s = min(MAX_PAUSE_S, self._options.lease_s / 4)
            try:
                done = await self._round()
            except BrokerUnavailable as error:
                log.warning("the embedded broker cannot write: %s", error)
            else:
                if done.tasks_wait:
                    self._task_bell.ring_elsewhere()
                if done.more_to_prune:
                    pause_s = 0
            self._task_bell.ring()
            self._log_bell.ring()
            await asyncio.sleep(pause_s)

    async def _round(self) -> _Done:
        alive = self._tasks.consumer_ids
        if not self._writer.confirming:
            alive.append(self._id)  # something to write, to see whether that works again

        def tend(connection: Connection) -> _Done:
            return self._tend(connection, alive)

        return await self._writer.run(tend)

    def _tend(self, connection: Connection, alive: list[str]) -> _Done:
        now_ns = time.monotonic_ns()
        task_table.beat(connection, alive, now_ns=now_ns, beat_ns=self._lease_ns // 4)
        buried = 0
        if now_ns - self._last_ns < self._lease_ns:  # else the disk or this process stood still: the others come first
            buried = task_table.bury(
                connection, now_ns=now_ns, lease_ns=self._lease_ns, delivery_limit=self._options.delivery_limit
            )
        self._last_ns = now_ns
        promoted = task_table.promote(connection, now_ns=now_ns)
        pruned = record_table.prune(
            connection, before_ns=time.time_ns() - int(self._options.log_max_age_s * 1e9), max_bytes=self._options.log_max_bytes
        )
        return _Done(tasks_wait=bool(buried or promoted), more_to_prune=pruned == record_table.CHUNK)
