"""Appending to the event log in company: one record, one confirm and one delivery to each reader carry many events."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from dispatch.codec import encode_record
from dispatch.events import Event
from dispatch.ports import EventLog

GATHER_S = 0.004
"""Between a record that several events shared and the next: where there are several there are more to come."""
RECORD_BYTES = 1024 * 1024
"""What events that share a record come to, at most; a larger one has its own."""


class Appender:
    """Has one record on its way at a time. What is appended meanwhile, and in the moment after, shares the next.

    So whoever has little to do waits for nobody, and with much to do the records become few and large.
    """

    def __init__(self, event_log: EventLog, *, gather_s: float = GATHER_S) -> None:
        self._log = event_log
        self._gather_s = gather_s
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[bytes, asyncio.Future[None]]] = deque()
        self._under_way: asyncio.Future[None] | None = None

    async def append(self, event: Event) -> None:
        """Return once the event is durable.

        Raises:
            BrokerUnavailable: not confirmed; it may or may not be in the log.
        """
        appended = self._loop.create_future()
        self._waiting.append((encode_record((event,)), appended))
        if self._under_way is None:
            self._under_way = asyncio.ensure_future(self._run())
        await appended

    async def _run(self) -> None:
        try:
            while self._waiting:
                share = self._share()
                await self._append(share)
                if len(share) > 1:
                    await asyncio.sleep(self._gather_s)
        finally:
            self._under_way = None

    def _share(self) -> Sequence[tuple[bytes, asyncio.Future[None]]]:
        """Take from the front what fits in one record."""
        share = [self._waiting.popleft()]
        size = len(share[0][0])
        while self._waiting and (size := size + len(self._waiting[0][0])) <= RECORD_BYTES:
            share.append(self._waiting.popleft())
        return share

    async def _append(self, share: Sequence[tuple[bytes, asyncio.Future[None]]]) -> None:
        record = b"".join(body for body, _ in share)  # records in a row are a record
        (failure,) = await asyncio.gather(self._log.append(record), return_exceptions=True)
        for _, appended in share:
            if appended.done():  # its caller was cancelled
                continue
            if failure is None:
                appended.set_result(None)
            else:
                appended.set_exception(failure)
