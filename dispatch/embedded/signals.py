"""Signals as datagrams, from process to process; the database has no part in them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from weakref import WeakSet

from dispatch.embedded.mailbox import Mailbox

log = logging.getLogger(__name__)

MAX_UNREAD = 10_000


class EmbeddedSignals:
    """Implements `dispatch.ports.Signals`. A subscriber that does not read loses what comes after MAX_UNREAD signals."""

    def __init__(self, folder: Path) -> None:
        self._subscribers: WeakSet[asyncio.Queue[bytes]] = WeakSet()
        self._mailbox = Mailbox(folder, "signals", self._tell)

    async def publish(self, body: bytes) -> None:
        self._tell(body)
        self._mailbox.send(body)

    def subscribe(self) -> AsyncIterator[bytes]:
        # Subscribed from this call on, not from the first read, and for as long as the iterator lives.
        unread: asyncio.Queue[bytes] = asyncio.Queue(MAX_UNREAD)
        self._subscribers.add(unread)
        return _read(unread)

    def _tell(self, body: bytes) -> None:
        for unread in self._subscribers:
            if unread.full():
                log.debug("a subscriber is behind, a signal was dropped")
            else:
                unread.put_nowait(body)

    def close(self) -> None:
        self._mailbox.close()


async def _read(unread: asyncio.Queue[bytes]) -> AsyncIterator[bytes]:
    while True:
        yield await unread.get()
