"""Tasks that keep something up for as long as the broker is open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


def keeper(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Start a task that is only ever cancelled; should it fail, that is a fault of ours and is told at once."""
    task = asyncio.create_task(work, name=f"rabbitmq {name}")
    task.add_done_callback(_tell)
    return task


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.critical("%s broke down and will not come back", task.get_name(), exc_info=error)


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has cleaned up."""
    task.cancel()
    await asyncio.wait((task,))
