"""What a mesh has to do while it is looked at: people who wait for one picture each, a batch beside them, and a crash."""

from __future__ import annotations

import asyncio
import random
import signal

import psutil

from harness.mesh import Mesh
from myeye import AsyncClient
from myeye.v1.job_pb2 import PRIORITY_HIGH, PRIORITY_LOW

PEOPLE = 6
PAUSE_S = 2.0
BATCH = 1500
BAD_EVERY = 12
"""One of so many of the batch is no picture."""


async def load(mesh: Mesh, picture: bytes, batch_after_s: float, crash_after_s: float) -> None:
    """Keep it busy until this is cancelled."""
    async with AsyncClient(mesh.edge_target) as client, asyncio.TaskGroup() as group:
        for _ in range(PEOPLE):
            group.create_task(_person(client, picture))
        await asyncio.sleep(batch_after_s)
        group.create_task(_batch(client, picture))
        await asyncio.sleep(crash_after_s)
        _crash(mesh)


async def _person(client: AsyncClient, picture: bytes) -> None:
    while True:
        job = await client.submit(picture, priority=PRIORITY_HIGH)
        async for _ in client.watch(job.id):
            pass
        await asyncio.sleep(random.expovariate(1 / PAUSE_S))


async def _batch(client: AsyncClient, picture: bytes) -> None:
    batch = [b"no picture" if number % BAD_EVERY == 0 else picture for number in range(BATCH)]
    async for _ in client.detect_many(batch, priority=PRIORITY_LOW):
        pass


def _crash(mesh: Mesh) -> None:
    """End a detector in the middle of its work."""
    for child in psutil.Process(mesh.workers[0].pid).children():
        child.send_signal(signal.SIGKILL)
