"""News without contents: something was committed, look for yourself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dispatch.embedded.mailbox import Mailbox


class Bell:
    """Rings for every listener here, and in the other brokers on the folder.

    A datagram lost because the other's buffer is full is no loss: the ones in the buffer say the same.
    """

    def __init__(self, folder: Path, topic: str) -> None:
        self._listeners: set[asyncio.Event] = set()
        self._mailbox = Mailbox(folder, topic, lambda _: self.ring())

    def ring(self) -> None:
        """Ring here. Only in the event loop."""
        for listener in self._listeners:
            listener.set()

    def ring_elsewhere(self) -> None:
        """Ring in the other brokers. In any thread."""
        self._mailbox.send(b"!")

    @contextmanager
    def listen(self) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever the bell rings."""
        event = asyncio.Event()
        self._listeners.add(event)
        try:
            yield event
        finally:
            self._listeners.discard(event)

    def close(self) -> None:
        self._mailbox.close()
