"""Everything through the one port of the edge, with the real Envoy."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from edge.methods import OPENAPI
from harness.mesh import Mesh
from harness.ports import free_port
from harness.process import Process
from myeye import AsyncClient
from myeye.v1.detection_service_pb2 import GetRequest, GetResponse, WaitRequest, WatchRequest, WatchResponse
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from myeye.v1.job_pb2 import STATE_SUCCEEDED

LIMIT_S = 60.0

BUF = str(Path(sys.executable).with_name("buf"))
"""As pip installed it, whether or not it is on PATH."""


@pytest.fixture
def mesh_with_edge(tmp_path: Path) -> Callable[..., Mesh]:
    """Make a mesh with an edge, on the embedded broker: what the edge does has nothing to do with the broker."""
    return lambda **settings: Mesh(tmp_path / "mesh", edge=True, **settings)


def rest(
    target: str, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """Call, and give the status and the JSON of the answer."""
    connection = http.client.HTTPConnection(target, timeout=LIMIT_S)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        assert answer.headers["content-type"] == "application/json"
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def lines(target: str, path: str) -> Iterator[dict[str, Any]]:
    """Yield each line of a stream as it comes."""
    connection = http.client.HTTPConnection(target, timeout=LIMIT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.headers["content-type"] == "application/x-ndjson"
        yield from map(json.loads, answer)
    finally:
        connection.close()


def submit(target: str, picture: Path) -> str:
    """Submit a picture as people with curl do, and give the job's id."""
    content = base64.b64encode(picture.read_bytes()).decode()
    status, answer = rest(
        target, "POST", "/v1/jobs", json.dumps({"inputs": [{"name": picture.name, "content": content}]}).encode()
    )
    assert status == 200, answer
    return str(answer["job"]["id"])


def grpc_web(target: str, method: str, request: Message) -> tuple[list[bytes], dict[str, str]]:
    """Call with gRPC-Web over HTTP/1.1; give the messages and the trailers."""
    body = request.SerializeToString()
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    connection = http.client.HTTPConnection(target, timeout=LIMIT_S)
    try:
        connection.request("POST", f"/myeye.v1.DetectionService/{method}", b"\0" + struct.pack(">I", len(body)) + body, headers)
        answer = connection.getresponse()
        rest, messages, trailers = answer.read(), [], dict(answer.headers)
    finally:
        connection.close()
    while rest:
        flags, size = struct.unpack(">BI", rest[:5])
        frame, rest = rest[5 : 5 + size], rest[5 + size :]
        if flags & 0x80:
            trailers |= dict(line.split(":", 1) for line in frame.decode().splitlines())
        else:
            messages.append(frame)
    return messages, trailers


def test_rest_submits_gets_lists_and_watches_to_the_end(mesh_with_edge, grace_hopper):
    with mesh_with_edge() as mesh:
        job_id = submit(mesh.edge_target, grace_hopper)
        story = list(lines(mesh.edge_target, f"/v1/jobs/{job_id}:watch?after_sequence=0"))
        _, got = rest(mesh.edge_target, "GET", f"/v1/jobs/{job_id}")
        _, listed = rest(mesh.edge_target, "GET", "/v1/jobs?states=STATE_SUCCEEDED&page_size=5")
        logged = mesh.edges[0].wait_for(f"method=GET path=/v1/jobs/{job_id} ", LIMIT_S)
    events = [line["event"] for line in story if "event" in line]
    assert [event["sequence"] for event in events] == ["1", "2", "3", "4"]
    assert events[2]["item_finished"]["item"]["result"]["detections"][0]["category"] == "person"
    assert events[3]["job_finished"]["state"] == "STATE_SUCCEEDED"
    assert got["job"]["state"] == "STATE_SUCCEEDED"
    assert [job["id"] for job in listed["jobs"]] == [job_id]
    assert "status=200" in logged
    assert f"job={job_id}" in logged
    assert "duration_ms=" in logged


def fetched(target: str, path: str) -> tuple[int, str | None, bytes]:
    """Get something that is not JSON: its status, its content type and its bytes."""
    connection = http.client.HTTPConnection(target, timeout=LIMIT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.headers["content-type"], answer.read()
    finally:
        connection.close()


def test_a_picture_is_the_body_of_a_request_and_of_an_answer(mesh_with_edge, grace_hopper):
    picture = grace_hopper.read_bytes()
    large = picture + bytes(3_000_000)  # what follows a JPEG's end is ignored
    with mesh_with_edge() as mesh:
        asked = "/v1/images?name=hopper&annotate=true&options.score_threshold=0.9&labels=album%3D7"
        status, answer = rest(mesh.edge_target, "POST", asked, large)
        job_id = answer["job"]["id"]
        _, ended = rest(mesh.edge_target, "GET", f"/v1/jobs/{job_id}:wait")
        inputs = fetched(mesh.edge_target, f"/v1/jobs/{job_id}/items/0/input")
        annotated = fetched(mesh.edge_target, f"/v1/jobs/{job_id}/items/0/annotated")
        missing, _, _ = fetched(mesh.edge_target, f"/v1/jobs/{job_id}/items/1/input")
    assert status == 200
    assert ended["job"]["labels"] == {"album": "7"}
    assert [found["category"] for found in ended["job"]["items"][0]["result"]["detections"]] == ["person"]
    assert inputs == (200, "image/jpeg", large)
    assert annotated[:2] == (200, "image/jpeg")
    assert annotated[2].startswith(b"\xff\xd8\xff")
    assert missing == 404


def test_every_error_of_rest_is_json_with_code_message_and_details(mesh_with_edge):
    with mesh_with_edge(workers=0, edge_flags=("--max-body", "1000")) as mesh:
        target = mesh.edge_target
        answers = {
            "unknown job": rest(target, "GET", "/v1/jobs/nosuch"),
            "wrong field": rest(target, "POST", "/v1/jobs", b"{}"),
            "broken JSON": rest(target, "POST", "/v1/jobs", b'{"inputs": '),
            "wrong type": rest(target, "POST", "/v1/jobs", b'{"inputs": 3}'),
            "unknown query": rest(target, "GET", "/v1/jobs?colour=red"),
            "too large": rest(target, "POST", "/v1/jobs", b'"' + b"a" * 2000 + b'"'),
            "value of another kind": rest(target, "POST", "/v1/jobs", b'{"labels": {"a": {}}}'),
            "unknown field of a query": rest(target, "POST", "/v1/images?options.colour=red", b"a"),
            "not UTF-8": rest(target, "GET", "/v1/jobs/%ff"),
            "no path": rest(target, "GET", "/v1/jobs/%00"),
            "other method": rest(target, "PUT", "/v1/jobs"),
            "other method of a job": rest(target, "POST", "/v1/jobs/nosuch:watch"),
            "many headers": rest(target, "GET", "/v1/jobs", headers={"x-large": "a" * 100_000}),
            "no such path": rest(target, "GET", "/v2/jobs"),
            "no method without gRPC": rest(target, "POST", "/myeye.v1.DetectionService/Get", b"{}"),
        }
        mesh.gateways[0].kill()
        answers["no gateway"] = rest(target, "GET", "/v1/jobs")
    told = {name: (status, error["code"], error["details"][0]["reason"]) for name, (status, error) in answers.items()}
    assert told == {
        "unknown job": (404, 5, "JOB_NOT_FOUND"),
        "wrong field": (400, 3, "INVALID_REQUEST"),
        "broken JSON": (400, 3, "INVALID_REQUEST"),
        "wrong type": (400, 3, "INVALID_REQUEST"),
        "unknown query": (400, 3, "INVALID_REQUEST"),
        "too large": (413, 8, "REQUEST_TOO_LARGE"),
        "value of another kind": (400, 3, "INVALID_REQUEST"),
        "unknown field of a query": (400, 3, "INVALID_REQUEST"),
        "not UTF-8": (400, 3, "INVALID_REQUEST"),
        "no path": (400, 3, "INVALID_REQUEST"),
        "other method": (405, 12, "METHOD_NOT_ALLOWED"),
        "other method of a job": (405, 12, "METHOD_NOT_ALLOWED"),
        "many headers": (431, 8, "HEADERS_TOO_LARGE"),
        "no such path": (404, 5, "NO_SUCH_METHOD"),
        "no method without gRPC": (404, 5, "NO_SUCH_METHOD"),
        "no gateway": (503, 14, "GATEWAY_UNAVAILABLE"),
    }
    assert all(error["message"] and error["details"][0]["domain"] == "myeye" for _, error in answers.values())
    _, wrong = answers["wrong field"]
    assert wrong["details"][1]["field_violations"][0]["field"] == "inputs", "details beyond ErrorInfo are decoded too"


def test_the_rest_face_is_described_where_it_is_served(mesh_with_edge):
    with mesh_with_edge(workers=0) as mesh:
        status, described = rest(mesh.edge_target, "GET", "/openapi.json")
        unknown, _ = rest(mesh.edge_target, "GET", "/v1/jobs/nosuch:watch")
    assert status == 200
    assert described["openapi"] == "3.1.0"
    assert described == json.loads(OPENAPI.read_text())
    assert unknown == 404, "an error of a stream is one document"


def test_buf_curl_needs_no_file_through_the_edge(mesh_with_edge):
    with mesh_with_edge(workers=0) as mesh:
        command = [BUF, "curl", "--http2-prior-knowledge", "--protocol", "grpc"]
        url = f"http://{mesh.edge_target}"
        services = subprocess.run(
            [*command, "--list-services", url], capture_output=True, text=True, timeout=60, check=True
        ).stdout
        method = f"{url}/myeye.v1.DetectionService/GetCapabilities"
        answer = subprocess.run([*command, method], capture_output=True, text=True, timeout=60, check=True).stdout
    assert "myeye.v1.DetectionService" in services.split()
    assert json.loads(answer)["defaults"]["maxAttempts"] == 3


def test_grpc_web_calls_and_streams(mesh_with_edge, grace_hopper):
    with mesh_with_edge() as mesh:
        job_id = submit(mesh.edge_target, grace_hopper)
        told, ended = grpc_web(mesh.edge_target, "Watch", WatchRequest(job_id=job_id, after_sequence=0))
        (got,), called = grpc_web(mesh.edge_target, "Get", GetRequest(job_id=job_id))
        nothing, refused = grpc_web(mesh.edge_target, "Get", GetRequest(job_id="nosuch"))
    updates = [WatchResponse.FromString(message) for message in told]
    assert [update.event.sequence for update in updates if update.HasField("event")] == [1, 2, 3, 4]
    assert GetResponse.FromString(got).job.state == STATE_SUCCEEDED
    assert (ended["grpc-status"], called["grpc-status"]) == ("0", "0")
    assert (nothing, refused["grpc-status"]) == ([], "5")


async def test_the_python_client_detects_and_watches_through_the_edge(mesh_with_edge, grace_hopper):
    with mesh_with_edge() as mesh:
        async with AsyncClient(mesh.edge_target) as client:
            job = await client.detect(grace_hopper)
            kinds = [u.event.WhichOneof("kind") async for u in client.watch(job.id, after_sequence=0) if u.HasField("event")]
    assert job.items[0].result.detections[0].category == "person"
    assert kinds == ["job_accepted", "item_started", "item_finished", "job_finished"]


async def test_a_silent_watch_outlasts_every_limit_that_cuts_other_calls(mesh_with_edge, grace_hopper):
    quick = {"gateway_flags": ("--heartbeat", "3"), "edge_flags": ("--timeout", "1", "--idle", "1")}
    with mesh_with_edge(workers=0, **quick) as mesh:
        job_id = await asyncio.to_thread(submit, mesh.edge_target, grace_hopper)
        async with grpc.aio.insecure_channel(mesh.edge_target) as channel, asyncio.timeout(LIMIT_S):
            stub = DetectionServiceStub(channel)
            watch = stub.Watch(WatchRequest(job_id=job_id, after_sequence=1))
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.Wait(WaitRequest(job_id=job_id), timeout=LIMIT_S)
            while not (update := await watch.read()).HasField("heartbeat"):
                assert update is not grpc.aio.EOF
            watch.cancel()
        streamed = lines(mesh.edge_target, f"/v1/jobs/{job_id}:watch")
        assert any("heartbeat" in line for line in streamed), "of REST too"
        streamed.close()


async def test_a_gateway_dies_behind_the_edge_and_no_job_or_event_is_lost(mesh_with_edge, grace_hopper):
    with mesh_with_edge(gateways=2) as mesh:
        await asyncio.to_thread(mesh.workers[0].stop)
        async with AsyncClient(mesh.edge_target) as client, asyncio.timeout(100):
            jobs = [await client.submit(grace_hopper) for _ in range(10)]
            begun = asyncio.Semaphore(0)
            watching = [asyncio.ensure_future(story(client, job.id, begun)) for job in jobs]
            for _ in jobs:
                await begun.acquire()
            mesh.gateways[0].kill()
            await asyncio.to_thread(mesh.edges[0].wait_for, f"Service/Watch .* gateway={mesh.targets[0]} ", LIMIT_S)
            jobs += [await client.submit(grace_hopper) for _ in range(10)]
            mesh.workers[0].start()
            assert await asyncio.gather(*watching) == [[1, 2, 3, 4]] * 10
            assert {(await client.wait(job.id)).state for job in jobs} == {STATE_SUCCEEDED}
            assert len([job async for job in client.list()]) == len(jobs), "none was made twice"


async def test_a_large_picture_finds_another_gateway_when_one_has_just_died(mesh_with_edge, grace_hopper):
    picture = grace_hopper.read_bytes() + bytes(5_000_000)
    with mesh_with_edge(gateways=2, workers=0) as mesh:
        mesh.gateways[0].kill()
        async with AsyncClient(mesh.edge_target) as client:
            jobs = await asyncio.gather(*(client.submit(picture) for _ in range(6)))
    assert len({job.id for job in jobs}) == 6


async def story(client: AsyncClient, job_id: str, begun: asyncio.Semaphore) -> list[int]:
    """Watch a job to its end, and give the numbers of its events."""
    sequences = []
    async for update in client.watch(job_id, after_sequence=0):
        begun.release()
        if update.HasField("event"):
            sequences.append(update.event.sequence)
    return sequences


class OddGateway:
    """A gateway that knows details of errors which the edge has never heard of."""

    async def answer(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        known = any_pb2.Any()
        known.Pack(ErrorInfo(reason="ODD", domain="myeye"))
        unknown = any_pb2.Any(type_url="type.googleapis.com/example.v1.Unheard", value=b"\x08\x01")
        told = rpc_status.to_status(status_pb2.Status(code=9, message="odd", details=[known, unknown]))
        await context.abort(told.code, told.details, told.trailing_metadata)
        raise AssertionError


async def test_details_of_an_unknown_type_cost_the_body_but_neither_status_nor_message(tmp_path: Path):
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(OddGateway().answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("myeye.v1.DetectionService", {"Get": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    target = f"127.0.0.1:{free_port()}"
    command = (sys.executable, "-m", "edge", "--listen", target, "--gateway", f"127.0.0.1:{port}")
    edge = Process("edge", command, log=tmp_path / "edge.log")
    edge.start()
    try:
        await asyncio.to_thread(edge.wait_for, "edge listens", LIMIT_S)
        status, message = await asyncio.to_thread(status_and_message, target, "/v1/jobs/any")
    finally:
        await asyncio.to_thread(edge.stop)
        await server.stop(None)
    assert (status, message) == (400, "odd")


def status_and_message(target: str, path: str) -> tuple[int, str | None]:
    """Call, and give the status and the message that stands in the header when there is no body."""
    connection = http.client.HTTPConnection(target, timeout=LIMIT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers["grpc-message"]
    finally:
        connection.close()


async def test_told_to_stop_it_takes_nothing_new_and_lets_a_watch_end(mesh_with_edge, grace_hopper):
    with mesh_with_edge(workers=0, edge_flags=("--drain", "60")) as mesh:
        (edge,) = mesh.edges
        async with (
            AsyncClient(mesh.target) as client,
            grpc.aio.insecure_channel(mesh.edge_target) as channel,
            asyncio.timeout(LIMIT_S),
        ):
            job = await client.submit(grace_hopper)
            watch = DetectionServiceStub(channel).Watch(WatchRequest(job_id=job.id, after_sequence=0))
            updates = aiter(watch)
            await anext(updates)
            edge.send(signal.SIGTERM)
            await asyncio.to_thread(edge.wait_for, "takes no new calls", LIMIT_S)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.to_thread(rest, mesh.edge_target, "GET", "/v1/jobs")
            await client.cancel(job.id)
            kinds = [update.event.WhichOneof("kind") async for update in updates if update.HasField("event")]
            assert kinds[-1] == "job_finished"
            assert await watch.code() is grpc.StatusCode.OK
        assert await asyncio.to_thread(edge.wait, LIMIT_S) == 0


def test_envoy_and_its_program_never_outlive_each_other(mesh_with_edge):
    with mesh_with_edge(workers=0) as mesh:
        (edge,) = mesh.edges
        (envoy,) = psutil.Process(edge.pid).children()
        envoy.kill()
        assert edge.wait(LIMIT_S) == 1
        edge.start()
        mesh.wait_ready()
        (envoy,) = psutil.Process(edge.pid).children()
        edge.kill()
        envoy.wait(LIMIT_S)
        assert not envoy.is_running()


def test_a_second_edge_on_the_port_fails_and_does_not_share_it(mesh_with_edge):
    with mesh_with_edge(workers=0) as mesh:
        command = [sys.executable, "-m", "edge", "--listen", mesh.edge_target, "--gateway", mesh.target]
        second = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert second.returncode == 2
    assert second.stderr.startswith(
        f"edge: cannot listen on {mesh.edge_target}: Address already in use. Is another edge running?"
    )
    assert second.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--listen", "[::1]:8080", "--log-format", "json"),
        ("--gateway", "gateway:50051", "--insecure", "--listen", "0.0.0.0:80"),
    ],
)
def test_envoy_finds_every_configuration_sound(flags):
    command = [sys.executable, "-m", "edge", "--validate", *flags]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "sound" in checked.stdout


def test_settings_that_cannot_be_used_end_it_with_status_two():
    command = [sys.executable, "-m", "edge", "--listen", "0.0.0.0:8080"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert refused.returncode == 2
    assert "no authentication" in refused.stderr


def test_what_failed_is_listed_with_its_cause_and_retried_by_filter_over_rest(mesh_with_edge):
    failed = "/v1/jobs?states=STATE_FAILED&reasons=IMAGE_INVALID&with_failed_items=true&without_retry=true"
    with mesh_with_edge() as mesh:
        target = mesh.edge_target
        _, answer = rest(target, "POST", "/v1/images?name=garbage&labels=album%3D7", b"not a picture")
        job_id = answer["job"]["id"]
        rest(target, "GET", f"/v1/jobs/{job_id}:wait")
        _, listed = rest(target, "GET", failed)
        again = json.dumps({"filter": {"reasons": ["IMAGE_INVALID"], "labels": ["album=7"]}, "request_id": "r"}).encode()
        (status, retried), (_, repeated) = (rest(target, "POST", "/v1/jobs:retry", again) for _ in range(2))
        new_id = retried["outcomes"][0]["new_job_id"]
        _, ended = rest(target, "GET", f"/v1/jobs/{new_id}:wait")
        _, left = rest(target, "GET", failed)
        other_method, _ = rest(target, "GET", "/v1/jobs:retry")
        nothing, refusal = rest(target, "POST", "/v1/jobs:retry", b"{}")
    (item,) = listed["jobs"][0]["items"]
    assert (item["name"], item["attempt"], item["error"]["details"][0]["reason"]) == ("garbage", 1, "IMAGE_INVALID")
    assert item["worker"]
    assert (status, retried) == (200, {"outcomes": [{"job_id": job_id, "new_job_id": new_id}]})
    assert repeated == {"outcomes": [{"job_id": job_id, "new_job_id": new_id, "replayed": True}]}
    assert (ended["job"]["state"], ended["job"]["retry_of"]) == ("STATE_FAILED", job_id)
    assert [job["id"] for job in left["jobs"]] == [new_id]
    assert (other_method, nothing) == (405, 400)
    assert refusal["details"][0]["reason"] == "INVALID_REQUEST"
