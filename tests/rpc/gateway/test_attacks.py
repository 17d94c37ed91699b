"""What somebody tries who means harm, and reaches the gateway's own port. The table in docs/security.md names these tests."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from gateway.identity.options import IdentityOptions
from myeye.v1 import blob_service_pb2 as blob_pb
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.job_pb2 import Input
from tests.rpc.gateway.callers import Tokens, bearing

LIMIT_S = 60.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
TRICKS = (
    "../../../../etc/passwd",
    "..",
    "/etc/passwd",
    "a/../../../b/../../../c",
    "jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..\\..\\..\\..\\boot.ini",
    "an-upload-of-mine\0",
    "an-upload-of-mine\n",
    "an-upload-of-mine/",
    "\u2025/\u2025/etc/passwd-passwd",
    "x" * 100_000,
)
"""Names that mean something elsewhere."""


@pytest.fixture
def tokens(tmp_path) -> Tokens:
    return Tokens(tmp_path / "tokens")


@pytest.fixture
def token(tokens) -> str:
    return tokens.add("ann")


@pytest.fixture
async def guarded(start, tokens, token) -> AsyncIterator[Any]:
    async with start(identity=IdentityOptions(tokens=tokens.path), reflection=False) as front:
        yield front


async def code_of(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async with asyncio.timeout(LIMIT_S):
            await call
    return caught.value.code()


def files(front: Any) -> set[Path]:
    return set(front.blobs)


@pytest.mark.parametrize("trick", TRICKS, ids=range(len(TRICKS)))
async def test_names_with_paths_in_them_lead_nowhere(front, trick):
    """Names of uploads are refused, ids of jobs are not found, and names of pictures are words that nothing is looked up by."""
    before = files(front)
    upload = blob_pb.UploadImageRequest(upload_id=trick, size_bytes=1, piece={"data": b"x"})
    invalid, missing = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
    assert await code_of(front.blob_stub.UploadImage(upload)) is invalid
    assert await code_of(front.blob_stub.GetUpload(blob_pb.GetUploadRequest(upload_id=trick))) is invalid
    assert await code_of(front.stub.Submit(pb.SubmitRequest(inputs=[Input(blob=trick)]))) is invalid
    hashed = blob_pb.UploadImageRequest(upload_id="an-upload-of-mine", size_bytes=1, sha256=trick, piece={"data": b"x"})
    assert await code_of(front.blob_stub.UploadImage(hashed)) is invalid
    assert await code_of(front.stub.Get(pb.GetRequest(job_id=trick))) is missing
    assert await code_of(front.stub.Delete(pb.DeleteRequest(job_id=trick))) is missing
    assert await code_of(anext(aiter(front.blob_stub.DownloadInput(blob_pb.DownloadInputRequest(job_id=trick))))) is missing
    assert files(front) == before
    job = await front.submit(inputs=[Input(name=trick[:255], content=b"picture")], request_id=trick[:128])
    assert job.items[0].name == trick[:255]
    (stored,) = files(front) - before
    assert stored.name.startswith(f"jobs~{job.id}~"), "a picture lies by ids that the gateway has made"
    assert ".." not in stored.parts


@pytest.mark.parametrize("size", [20_000, 200_000, 2_000_000])
async def test_header_bombs_are_refused_and_the_next_call_is_answered(guarded, token, size):
    bombs = [
        (("x-bomb", "x" * size),),
        tuple((f"x-{number}", "y" * 90) for number in range(size // 100)),
        bearing("x" * size),
    ]
    for bomb in bombs:
        assert await code_of(guarded.stub.List(pb.ListRequest(), metadata=(*bearing(token), *bomb))) in {
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            grpc.StatusCode.INTERNAL,  # so large that the client's own library gives it up
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.UNAUTHENTICATED,
        }
    await guarded.stub.List(pb.ListRequest(), metadata=bearing(token))


async def test_connections_that_say_nothing_or_say_it_slowly_keep_nobody_out(guarded, token):
    """They hold a socket each, and are closed when they have not said what they want for a while."""
    host, port = guarded.target.split(":")
    loop = asyncio.get_running_loop()
    slow = []
    for number in range(150):
        connection = socket.create_connection((host, int(port)))
        connection.setblocking(False)
        slow.append(connection)
        if number % 3:
            await loop.sock_sendall(connection, PREFACE[: number % 24] if number % 3 == 1 else PREFACE + SETTINGS)
    try:
        async with grpc.aio.insecure_channel(guarded.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            health = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            await health(health_pb2.HealthCheckRequest(), timeout=LIMIT_S)
        await guarded.stub.List(pb.ListRequest(), metadata=bearing(token))
        async with asyncio.timeout(LIMIT_S):
            while await loop.sock_recv(slow[0], 4096):  # its settings, and then the end
                pass
    finally:
        for connection in slow:
            connection.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        PREFACE + struct.pack(">I", 2**24 - 1)[1:] + bytes(6) + bytes(100),
        PREFACE + SETTINGS + b"\0\0\5\1\4\0\0\0\1\x3f\xff\xff\xff\xff",
        bytes(range(256)) * 64,
    ],
    ids=["http/1.1", "tls", "frame too large", "broken headers", "noise"],
)
async def test_bytes_of_other_protocols_end_their_connection_and_nothing_else(guarded, token, garbage):
    host, port = guarded.target.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(garbage)
    async with asyncio.timeout(LIMIT_S):
        try:
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
    writer.close()
    await guarded.stub.List(pb.ListRequest(), metadata=bearing(token))


async def test_with_reflection_off_the_contract_is_told_to_nobody(guarded):
    for version in ("v1", "v1alpha"):
        call = guarded.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        answers = call(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), metadata=())
        assert await code_of(anext(aiter(answers))) is grpc.StatusCode.UNIMPLEMENTED


async def test_methods_that_are_not_there_need_no_token_and_tell_nothing(guarded):
    for path in ("/myeye.v1.DetectionService/Drop", "/myeye.v1.DetectionService/", "/../etc/passwd", "/"):
        call = guarded.channel.unary_unary(path)(b"")
        assert await code_of(call) in {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAUTHENTICATED}


async def test_who_says_to_be_somebody_else_in_other_headers_is_not_believed(guarded, token):
    lies = (("x-forwarded-client-cert", 'Subject="CN=root"'), ("x-principal", "root"), ("x-myeye-principal", "root"))
    request = pb.SubmitRequest(inputs=[Input(content=b"picture")])
    assert (await guarded.stub.Submit(request, metadata=(*bearing(token), *lies))).job.principal == "ann"
    assert await code_of(guarded.stub.Submit(request, metadata=lies)) is grpc.StatusCode.UNAUTHENTICATED


async def test_oversized_everything_is_refused_with_the_field_or_the_limit(front):
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    picture = Input(content=b"x")
    for request in (
        pb.SubmitRequest(inputs=[picture] * 10_000),
        pb.SubmitRequest(inputs=[Input(name="n" * 1_000_000, content=b"x")]),
        pb.SubmitRequest(inputs=[picture], request_id="r" * 1_000_000),
        pb.SubmitRequest(inputs=[picture], labels={f"k{number}": "v" for number in range(10_000)}),
        pb.SubmitRequest(inputs=[picture], labels={"k": "v" * 1_000_000}),
        pb.SubmitRequest(inputs=[picture], options={"category_allowlist": ["c" * 1000] * 1000}),
        pb.SubmitRequest(inputs=[picture], max_attempts=2**31 - 1),
    ):
        assert await code_of(front.stub.Submit(request)) is invalid
    assert await code_of(front.stub.Submit(pb.SubmitRequest(model="m" * 1_000_000, inputs=[picture]))) in {
        invalid,
        grpc.StatusCode.NOT_FOUND,
    }
    huge = blob_pb.UploadImageRequest(upload_id="an-upload-of-mine", size_bytes=2**62, piece={"data": b"x"})
    assert await code_of(front.blob_stub.UploadImage(huge)) is invalid
    too_large = pb.SubmitRequest(inputs=[Input(content=bytes(40 * 1024 * 1024))])
    assert await code_of(front.stub.Submit(too_large)) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert front.blobs == []
