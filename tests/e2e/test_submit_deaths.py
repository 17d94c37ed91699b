"""A gateway dies between each two steps of a Submit: there is one whole job or none, whether the client comes again or not."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from dispatch.blobs import open_blobs
from dispatch.connect import connect
from dispatch.options import BrokerOptions
from dispatch.ports import BlobStore
from gateway.config import Config, read_config
from gateway.ids import job_id
from gateway.order import folder_of
from gateway.orphans import Orphans
from gateway.store import Store
from harness.mesh import Mesh
from harness.ports import free_port
from harness.process import Process
from myeye.v1.detection_service_pb2 import GetRequest, ListRequest, SubmitRequest, WatchManyRequest, WatchTarget
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from myeye.v1.event_pb2 import Event
from myeye.v1.job_pb2 import STATE_SUCCEEDED, Input
from tests.torture.clock import new_clock

DYING = Path(__file__).with_name("dying_gateway.py")
DIED = 86
LIMIT_S = 60.0

BEFORE = ("before put 1", "after put 1", "after put 2", "before accepted 1")
LEAVING = BEFORE[1:]
"""Those that leave pictures behind, whose job nobody knows."""
AFTER = (
    "after accepted 1",
    "before publish 1",
    "after publish 1",
    "after publish 2",
    "before enqueued 1",
    "after enqueued 1",
    "before reply 1",
)


@pytest.fixture
def mesh(mesh_on: Callable[..., Mesh], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mesh:
    """Make a mesh whose worker finds at once what a picture says."""
    for name, value in new_clock(tmp_path / "clock").items():
        monkeypatch.setenv(name, value)
    return mesh_on(worker_command=("-m", "tests.torture.worker"))


def order(step: str) -> SubmitRequest:
    """Ask for a job of two pictures, and for the same one whenever it is asked for."""
    inputs = [Input(name=name, content=f"good:{step} {name}".encode()) for name in ("a", "b")]
    return SubmitRequest(request_id=step, inputs=inputs, labels={"test": "deaths"})


def id_of(step: str) -> str:
    return job_id("", "Submit", step)


@asynccontextmanager
async def stub_of(target: str) -> AsyncIterator[DetectionServiceStub]:
    async with grpc.aio.insecure_channel(target) as channel:
        yield DetectionServiceStub(channel)


async def die(step: str, mesh: Mesh) -> None:
    """Submit to a gateway that dies over it."""
    target = f"127.0.0.1:{free_port()}"
    command = (sys.executable, str(DYING), id_of(step), *step.split(), "--listen", target, *mesh.gateway_flags)
    root = {"PYTHONPATH": str(DYING.parents[2])}
    gateway = Process("dying", command, log=mesh.folder / "dying.log", environment=root)
    gateway.start()
    try:
        await asyncio.to_thread(gateway.wait_for, "health: SERVING", LIMIT_S)
        async with stub_of(target) as stub:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Submit(order(step))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await asyncio.to_thread(gateway.wait, LIMIT_S) == DIED, step
    finally:
        if gateway.running:
            gateway.kill()


async def stories(stub: DetectionServiceStub, count: int) -> dict[str, list[Event]]:
    """Watch until so many jobs have ended; each from its beginning, wherever the watch found it."""
    ended: set[str] = set()
    async for message in stub.WatchMany(WatchManyRequest(labels=["test=deaths"])):
        if message.snapshot.HasField("end_time") or message.event.HasField("job_finished"):
            ended.add(message.job_id)
        if len(ended) == count:
            break
    told: defaultdict[str, list[Event]] = defaultdict(list)
    targets = [WatchTarget(job_id=job, after_sequence=0) for job in ended]
    async for message in stub.WatchMany(WatchManyRequest(targets=targets)):
        if message.HasField("event"):
            told[message.job_id].append(message.event)
    return told


def check(story: Sequence[Event]) -> None:
    """See that a job was done once, by a history without a gap."""
    assert [event.sequence for event in story] == list(range(1, len(story) + 1))
    kinds = [event.WhichOneof("kind") for event in story]
    assert sorted(kinds) == ["item_finished"] * 2 + ["item_started"] * 2 + ["job_accepted", "job_finished"]
    assert (kinds[0], kinds[-1]) == ("job_accepted", "job_finished")
    assert story[-1].job_finished.state == STATE_SUCCEEDED


async def see_done(stub: DetectionServiceStub, steps: Sequence[str]) -> None:
    """Wait for the jobs of these steps, and see that there are no others."""
    async with asyncio.timeout(LIMIT_S):
        told = await stories(stub, len(steps))
    assert set(told) == set(map(id_of, steps))
    for story in told.values():
        check(story)
    assert {job.id for job in (await stub.List(ListRequest())).jobs} == set(told)


async def sweep(config: Config) -> tuple[list[str], list[str]]:
    """Remove what no job holds, as a gateway does in time; name the jobs that have pictures before and after.

    One is named as often as it has folders.
    """
    blobs, broker = open_blobs(config.blobs), await connect(config.broker, BrokerOptions(name=config.installation))
    store = Store(broker.log)
    following = asyncio.ensure_future(store.journal.follow())
    await store.journal.barrier()
    store.caught_up = True
    before = await folders(blobs)
    await Orphans(store, blobs, age_s=0).sweep()
    after = await folders(blobs)
    following.cancel()
    await broker.close()
    return before, after


async def folders(blobs: BlobStore) -> list[str]:
    """Name the jobs that have pictures, one as often as it has folders."""
    found = {folder for blob in await blobs.list("jobs/") if (folder := folder_of(blob.name))}
    return sorted(folder.job_id for folder in found)


async def known(stub: DetectionServiceStub, step: str) -> bool:
    """Ask for a job; who answers has read the log to its end."""
    call = stub.Get(GetRequest(job_id=id_of(step)))
    code = await call.code()
    assert code in (grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND)
    return code is grpc.StatusCode.OK


@pytest.mark.timeout(300)
async def test_a_client_that_comes_again_after_a_death_in_submit_has_one_whole_job(mesh: Mesh):
    steps = [*BEFORE, *AFTER]
    with mesh:
        async with stub_of(mesh.target) as stub:
            for step in steps:
                await die(step, mesh)
            answers = await asyncio.gather(*(stub.Submit(order(step)) for step in steps))
            assert [answer.job.id for answer in answers] == [id_of(step) for step in steps]
            assert [answer.replayed for answer in answers] == [step in AFTER for step in steps]
            await see_done(stub, steps)
            before, after = await sweep(read_config(mesh.gateway_flags, {}, mesh.folder))
        assert after == sorted(map(id_of, steps)), "the pictures of every job are there, and no others"
        assert len(before) == len(steps) + len(LEAVING), "what the dead had stored in vain was there until then"


@pytest.mark.timeout(300)
async def test_a_submit_cut_by_a_death_is_finished_by_another_gateway_or_never_was(mesh: Mesh):
    with mesh:
        async with stub_of(mesh.target) as stub:
            for step in (*BEFORE, *AFTER):
                await die(step, mesh)
            await see_done(stub, AFTER)
            assert not any([await known(stub, step) for step in BEFORE])
            before, after = await sweep(read_config(mesh.gateway_flags, {}, mesh.folder))
        assert after == sorted(map(id_of, AFTER))
        assert len(before) == len(AFTER) + len(LEAVING)
