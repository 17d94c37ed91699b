"""Every process is replaced, one after the other, under load: no job fails, and no watcher misses or repeats an event."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.cluster import RabbitCluster
from harness.mesh import Mesh
from harness.process import Process
from harness.proxy import Proxy
from harness.rabbit import RabbitNode
from myeye import AsyncClient
from myeye.v1.event_pb2 import Event
from myeye.v1.job_pb2 import STATE_SUCCEEDED

LIMIT_S = 350.0
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


async def replaced_node(node: RabbitNode) -> None:
    """Stop a node of the broker when the others can do without it, start it again, and wait until it takes part."""
    await asyncio.to_thread(node.await_spare)
    await asyncio.to_thread(node.stop)
    await asyncio.to_thread(node.start)


@pytest.fixture(params=["embedded", "cluster"])
def installation(
    request: pytest.FixtureRequest, tmp_path: Path, rabbit_home: Path | None
) -> Iterator[tuple[Mesh, list[RabbitNode]]]:
    """All of it, with the embedded broker, which is no process of its own, and with three nodes behind one address."""
    with ExitStack() as running:
        nodes: list[RabbitNode] = []
        broker = None
        if request.param == "cluster":
            cluster = running.enter_context(RabbitCluster(tmp_path / "rabbit", server=rabbit_home))
            nodes = cluster.nodes
            balancer = running.enter_context(Proxy(cluster.ports))
            broker = nodes[0].url.replace(f":{nodes[0].port}/", f":{balancer.port}/")
        mesh = Mesh(tmp_path / "mesh", broker=broker, gateways=2, workers=2, edge=True)
        yield running.enter_context(mesh), nodes


@pytest.mark.timeout(400)  # some ten starts of processes, one after the other
async def test_a_rolling_restart_of_everything_fails_no_job_and_loses_no_event(installation, grace_hopper: Path):
    mesh, nodes = installation
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
        before_nodes = len(load.stories)
        for node in nodes:
            await replaced_node(node)
            await load.more(AHEAD)
        load.stop()
        await running
        told = {job.id: job.state async for job in client.list(page_size=100)}
    assert set(told.values()) == {STATE_SUCCEEDED}
    assert len(told) == len(load.stories), "each was handed in once"
    for number, story in enumerate(load.stories):
        assert [event.sequence for event in story] == list(range(1, len(story) + 1))
        assert story[-1].job_finished.state == STATE_SUCCEEDED
        assert [event.WhichOneof("kind") for event in story].count("job_finished") == 1
        started = [event.WhichOneof("kind") for event in story].count("item_started")
        # with its node a worker loses what it has not acknowledged, and then the picture is begun anew
        assert started == 1 or (started > 1 and number >= before_nodes), "no attempt was lost"
