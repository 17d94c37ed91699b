"""The edge when something is wrong around it: processes that die or stop, clients that ask for too much or do not read."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from harness.mesh import Mesh
from myeye import AsyncClient, state_name
from myeye.v1 import blob_service_pb2 as blob_pb
from myeye.v1.blob_service_pb2_grpc import BlobServiceStub
from myeye.v1.detection_service_pb2 import GetCapabilitiesRequest, SubmitRequest, WaitRequest
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from myeye.v1.job_pb2 import STATE_CANCELLED, Input
from myeye.v1.upload_pb2 import UploadTarget

LIMIT_S = 100.0


@pytest.fixture
def mesh_with_edge(tmp_path: Path) -> Callable[..., Mesh]:
    """Make a mesh with an edge."""
    return lambda **settings: Mesh(tmp_path / "mesh", edge=True, **settings)


async def stories(client: AsyncClient, jobs: list[str], begun: asyncio.Event) -> dict[str, list[int]]:
    """Watch jobs together to their ends, and give the numbers of each one's events."""
    told = defaultdict(list)
    async for update in client.watch_many(dict.fromkeys(jobs, 0)):
        if update.HasField("event"):
            told[update.job_id].append(update.event.sequence)
        if len(told) == len(jobs):
            begun.set()
    return told


@pytest.mark.parametrize("who", ["a gateway", "the edge"])
async def test_a_joint_watch_goes_on_by_itself_when_its_way_is_cut(mesh_with_edge, grace_hopper: Path, who: str):
    with mesh_with_edge(gateways=2) as mesh:
        await asyncio.to_thread(mesh.workers[0].stop)
        async with AsyncClient(mesh.edge_target) as client, asyncio.timeout(LIMIT_S):
            jobs = [(await client.submit(grace_hopper)).id for _ in range(3)]
            begun = asyncio.Event()
            watching = asyncio.ensure_future(stories(client, jobs, begun))
            await begun.wait()
            if who == "the edge":
                mesh.edges[0].kill()
                mesh.edges[0].start()
            else:
                mesh.gateways[0].kill()  # the watch may be of the other one
                mesh.gateways[0].start()
                await asyncio.to_thread(mesh.gateways[0].wait_for, "health: SERVING", LIMIT_S)
                mesh.gateways[1].kill()
            mesh.workers[0].start()
            assert await watching == {job: [1, 2, 3, 4] for job in jobs}


async def test_a_session_through_the_edge_goes_on_when_its_gateway_is_killed(mesh_with_edge, grace_hopper: Path):
    picture = grace_hopper.read_bytes()  # noqa: ASYNC240 - nothing else goes on yet
    with mesh_with_edge(gateways=2, worker_command=("-m", "bench.noop_worker")) as mesh:
        async with AsyncClient(mesh.edge_target) as client, asyncio.timeout(LIMIT_S):
            pictures = [(f"{number}.jpg", picture) for number in range(60)]
            ended = client.detect_many(pictures)
            told = [await anext(ended) for _ in range(5)]
            for gateway in mesh.gateways:  # the session is at one of them
                gateway.kill()
                gateway.start()
                await asyncio.to_thread(gateway.wait_for, "health: SERVING", LIMIT_S)
                told.append(await anext(ended))
            told += [each async for each in ended]
            assert sorted(given[0] for given, _ in told) == sorted(name for name, _ in pictures)
            assert {state_name(job.state) for _, job in told} == {"SUCCEEDED"}
            assert sorted([job.id async for job in client.list()]) == sorted(job.id for _, job in told), "each was made once"


async def test_a_message_beyond_the_limit_is_refused_with_the_limit(mesh_with_edge):
    with mesh_with_edge(workers=0) as mesh:
        async with grpc.aio.insecure_channel(mesh.edge_target) as channel, asyncio.timeout(LIMIT_S):
            stub = DetectionServiceStub(channel)
            limit = (await stub.GetCapabilities(GetCapabilitiesRequest())).limits.max_message_bytes
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.Submit(SubmitRequest(inputs=[Input(content=bytes(limit))]))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(limit) in str(refused.value.details())


def test_clients_that_do_not_read_keep_nobody_waiting(mesh_with_edge, grace_hopper: Path):
    large = grace_hopper.read_bytes() + bytes(20_000_000)
    with mesh_with_edge(workers=0) as mesh, ExitStack() as stack:
        job_id = asked(mesh.edge_target, "POST", "/v1/images", large)["job"]["id"]
        deaf = [stack.enter_context(socket.create_connection(mesh.edge_target.split(":"))) for _ in range(20)]
        for connection in deaf:
            connection.sendall(f"GET /v1/jobs/{job_id}/items/0/input HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        for connection in deaf:
            assert connection.recv(15) == b"HTTP/1.1 200 OK", "all of them are served, and read no more"
        for _ in range(200):  # the first ones may still find room
            assert asked(mesh.edge_target, "GET", f"/v1/jobs/{job_id}")["job"]["id"] == job_id
        assert asked(mesh.edge_target, "POST", "/v1/images", grace_hopper.read_bytes())["job"]["id"]


def asked(target: str, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
    """Call, and give the JSON of an answer that must be OK."""
    connection = http.client.HTTPConnection(target, timeout=LIMIT_S)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        told: dict[str, Any] = json.loads(answer.read())
        assert answer.status == 200, told
        return told
    finally:
        connection.close()


async def test_told_to_stop_it_lets_an_upload_and_a_wait_end(mesh_with_edge, grace_hopper: Path):
    body = grace_hopper.read_bytes()  # noqa: ASYNC240 - nothing else goes on yet
    with mesh_with_edge(workers=0, edge_flags=("--drain", "60")) as mesh:
        (edge,) = mesh.edges
        half_sent, stopping = asyncio.Event(), asyncio.Event()

        async def messages() -> AsyncIterator[blob_pb.UploadRequest]:
            yield blob_pb.UploadRequest(target=UploadTarget(upload_id="an-upload-that-ends", size_bytes=len(body)))
            yield blob_pb.UploadRequest(data=body[:1000])
            half_sent.set()
            await stopping.wait()
            yield blob_pb.UploadRequest(data=body[1000:])

        async with (
            AsyncClient(mesh.target) as client,
            grpc.aio.insecure_channel(mesh.edge_target) as channel,
            asyncio.timeout(LIMIT_S),
        ):
            job = await client.submit(grace_hopper)
            stub = DetectionServiceStub(channel)
            waiting = stub.Wait(WaitRequest(job_id=job.id))
            uploading = BlobServiceStub(channel).Upload(messages())
            await half_sent.wait()
            await stub.GetCapabilities(GetCapabilitiesRequest())  # on the same connection: the edge has heard of what came before
            edge.send(signal.SIGTERM)
            await asyncio.to_thread(edge.wait_for, "takes no new calls", LIMIT_S)
            stopping.set()
            assert (await uploading).upload.complete
            await client.cancel(job.id)
            assert (await waiting).job.state == STATE_CANCELLED
        assert await asyncio.to_thread(edge.wait, LIMIT_S) == 0
