"""Who says again what was said, late: `python -m tests.torture.echo BROKER_URL`.

Events of workers and gateways are appended to the log a second time, and accepted jobs' tasks are published a second time, up to
some seconds after the first. A broker behind a stalling link does the same, only less often.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from dispatch.codec import encode_record
from dispatch.connect import connect
from dispatch.errors import DispatchError
from dispatch.events import Cancelled, Enqueued, Event, Failed, Started, Succeeded
from dispatch.fold import Change
from dispatch.journal import Journal
from dispatch.options import BrokerOptions
from dispatch.ports import Broker, Lane, Queue
from gateway.submit import tasks_of
from tests.torture.site import MAX_QUEUE_LENGTH

SHARE = 0.2
"""Of everything that is said, how much is said again."""
LATEST_S = 8.0
REPEATED = (Cancelled, Enqueued, Failed, Started, Succeeded)
"""What is sent again when its confirm is lost. Accepted and Refused are not: the client is told instead."""


class Echo:
    """Follows the log, and repeats."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._heard: set[bytes] = set()
        self._saying: set[asyncio.Task[None]] = set()
        self.journal = Journal(broker.log, on_change=self._on_change, on_reset=lambda: None)

    def _on_change(self, change: Change) -> None:
        event = change.event
        if event.id in self._heard:
            return
        self._heard.add(event.id)
        if isinstance(event, REPEATED) and random.random() < SHARE:
            self._later(self._append(event))
        if isinstance(event, Enqueued) and change.after is not None and random.random() < SHARE:
            job = change.after
            for task in tasks_of(job):
                self._later(self._publish(Queue(job.spec.model, Lane(job.spec.priority)), task.SerializeToString()))

    def _later(self, saying: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(saying)
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    async def _append(self, event: Event) -> None:
        await asyncio.sleep(random.uniform(0, LATEST_S))
        with suppress(DispatchError):
            await self._broker.log.append(encode_record([event]))

    async def _publish(self, queue: Queue, task: bytes) -> None:
        await asyncio.sleep(random.uniform(0, LATEST_S))
        with suppress(DispatchError):
            await self._broker.tasks.publish(queue, task)


async def main(url: str) -> None:
    broker = await connect(url, BrokerOptions(max_queue_length=MAX_QUEUE_LENGTH))
    sys.stdout.write("echo follows\n")
    await Echo(broker).journal.follow()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
