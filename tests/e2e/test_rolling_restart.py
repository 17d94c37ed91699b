"""Every process is replaced, one after the other, under load: no job fails, and no watcher misses or repeats an event."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from harness.process import Process
from myeye import AsyncClient
from myeye.v1.event_pb2 import Event
from myeye.v1.job_pb2 import STATE_SUCCEEDED

LIMIT_S = 250.0
AHEAD = 4
"""Jobs under way at any time: some wait, some run."""


class Load:
    """Clients that hand in pictures and watch them, one after the other, until told to stop; all by the edge."""

    def __init__(self, client: AsyncClient, picture: Path) -> None:
        self._client = client
        self._picture = picture
        self._ended = asyncio.Condition()
        self._stopping = False
        self.stories: list[list[Event]] = []

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(AHEAD):
                group.create_task(self._one_after_the_other())

    async def _one_after_the_other(self) -> None:
        while not self._stopping:
            job = await self._client.submit(self._picture)
            watch = self._client.watch(job.id, after_sequence=0)
            story = [update.event async for update in watch if update.HasField("event")]
            async with self._ended:
                self.stories.append(story)
                self._ended.notify_all()

    async def more(self, count: int) -> None:
        """Wait until so many more jobs have ended."""
        async with self._ended:
            wanted = len(self.stories) + count
            await self._ended.wait_for(lambda: len(self.stories) >= wanted)

    def stop(self) -> None:
        self._stopping = True


async def replaced(process: Process, ready: str) -> None:
    """Stop a process as an operator does, start it again, and wait until it serves."""
    assert await asyncio.to_thread(process.stop) == 0, f"{process.name} ends in order"
    process.start()
    await asyncio.to_thread(process.wait_for, ready, LIMIT_S)


@pytest.mark.timeout(300)  # some seven starts of processes, one after the other
@pytest.mark.parametrize("mesh_on", ["rabbitmq"], indirect=True)
async def test_a_rolling_restart_of_everything_fails_no_job_and_loses_no_event(mesh_on, grace_hopper: Path):
    with mesh_on(gateways=2, workers=2, edge=True) as mesh:
        async with AsyncClient(mesh.edge_target) as client, asyncio.timeout(LIMIT_S):
            load = Load(client, grace_hopper)
            running = asyncio.ensure_future(load.run())
            await load.more(AHEAD)
            for worker in mesh.workers:
                await replaced(worker, r"worker \S+ ready")
                await load.more(AHEAD)
            for gateway in mesh.gateways:
                await replaced(gateway, "health: SERVING")
                await load.more(AHEAD)
            (edge,) = mesh.edges
            await replaced(edge, "edge listens on")
            await load.more(AHEAD)
            load.stop()
            await running
            told = {job.id: job.state async for job in client.list(page_size=100)}
    assert set(told.values()) == {STATE_SUCCEEDED}
    assert len(told) == len(load.stories), "each was handed in once"
    for story in load.stories:
        assert [event.sequence for event in story] == list(range(1, len(story) + 1))
        assert story[-1].job_finished.state == STATE_SUCCEEDED
        assert [event.WhichOneof("kind") for event in story].count("job_finished") == 1
        assert [event.WhichOneof("kind") for event in story].count("item_started") == 1, "no attempt was lost"
