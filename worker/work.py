"""What an attempt does with its item, once it is known to be wanted."""

from __future__ import annotations

import asyncio
from typing import Protocol

from dispatch.events import Succeeded


class Work(Protocol):
    """Looking at one picture, or at one video."""

    @property
    def fetched_bytes(self) -> int | None:
        """Tell how many bytes were fetched and are stored; None of what was handed in, and while it is not known."""

    async def fetch(self) -> None:
        """Bring the input here. Begun before it is known whether the item is wanted, and cancelled when it is not."""

    async def do(self, fetch: asyncio.Future[None]) -> Succeeded:
        """Look, and give the event that tells what was found. `fetch` is `fetch()` on its way.

        Raises:
            Exception: one that `worker.failure` knows, or any other.
        """

    async def close(self) -> None:
        """Let go of everything, whatever happened before."""
