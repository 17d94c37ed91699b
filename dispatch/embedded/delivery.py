"""A task in the hands of a consumer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dispatch.embedded import task_table
from dispatch.embedded.task_table import Hold, Settlement
from dispatch.ports import Queue


class EmbeddedDelivery:
    """Implements `dispatch.ports.Delivery`."""

    __slots__ = ("_queue", "_settle", "hold")

    def __init__(
        self, hold: Hold, queue: Queue | None, settle: Callable[[EmbeddedDelivery, Settlement], Awaitable[None]]
    ) -> None:
        self.hold = hold
        self._queue = queue
        self._settle = settle

    @property
    def body(self) -> bytes:
        return self.hold.body

    @property
    def queue(self) -> Queue | None:
        return self._queue

    @property
    def redelivered(self) -> bool:
        return self.hold.delivery > 1

    @property
    def reason(self) -> str:
        return self.hold.reason

    async def ack(self) -> None:
        await self._settle(self, task_table.ack)

    async def reject(self) -> None:
        await self._settle(self, task_table.reject)

    async def release(self) -> None:
        await self._settle(self, task_table.release)
