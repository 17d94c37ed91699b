"""Watching jobs of the command line to their end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from myeye.aio import AsyncClient
from myeye.errors import ProtocolError, Unavailable
from myeye.terminal import Terminal
from myeye.v1.detection_service_pb2 import WatchResponse
from myeye.v1.job_pb2 import Job


async def follow(
    job: Job, client: AsyncClient, terminal: Terminal, show: Callable[[Job, WatchResponse], None], *, after: int | None = None
) -> Job:
    """Show what happens to a job and return it as it ended; when watching ends before, tell that the job goes on."""
    try:
        async for update in client.watch(job.id, after_sequence=after):
            show(job, update)
        return await client.wait(job.id)
    except (asyncio.CancelledError, Unavailable, ProtocolError):
        terminal.say_going_on(job.id)
        raise
