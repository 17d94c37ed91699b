"""Tokens of a file: who brings one, who brings none, and what changes while the gateway runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from gateway.identity.options import IdentityOptions
from gateway.identity.token_file import hash_of, new_token
from gateway.limits import Limits
from myeye.v1 import blob_service_pb2 as blob_pb
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.job_pb2 import Input
from tests.rpc.gateway.callers import Tokens, bearing

LIMIT_S = 20
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


@pytest.fixture
def tokens(tmp_path) -> Tokens:
    return Tokens(tmp_path / "tokens")


@pytest.fixture
def token(tokens) -> str:
    return tokens.add("ann")


@pytest.fixture
async def front(start, tokens, token) -> AsyncIterator[Any]:
    async with start(identity=IdentityOptions(tokens=tokens.path)) as front:
        yield front


def listing(front: Any, *metadata: tuple[str, str]) -> Any:
    return front.stub.List(pb.ListRequest(), metadata=metadata)


async def test_who_brings_a_token_is_let_in(front, token):
    await listing(front, *bearing(token))
    await listing(front, ("authorization", f"bearer   {token} ")), "the scheme's case is of no importance"


async def test_without_a_token_nothing_is_told_but_health(front, refused):
    for call in (
        listing(front),
        front.stub.GetCapabilities(pb.GetCapabilitiesRequest()),
        front.stub.Submit(pb.SubmitRequest(inputs=[Input(content=b"x")])),
        anext(aiter(front.stub.Watch(pb.WatchRequest(job_id="a" * 26)))),
        front.blob_stub.Upload(iter([blob_pb.UploadRequest()])),
    ):
        await refused(call, UNAUTHENTICATED, "TOKEN_MISSING")
    assert (await front.health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
    assert front.blobs == []


@pytest.mark.parametrize(
    "value",
    [
        "Bearer ",
        "Bearer",
        "Basic YW5uOmFubg==",
        "myeye_without_a_scheme",
        "Bearer two words",
        "Bearer " + "x" * 6500,
        "Bearer myeye_" + "A" * 43,
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.",
    ],
    ids=range(8),
)
async def test_what_is_no_token_of_ours_is_refused(front, refused, value):
    await refused(listing(front, ("authorization", value)), UNAUTHENTICATED, "TOKEN_INVALID")


async def test_two_tokens_are_none(front, token, refused):
    await refused(listing(front, *bearing(token), *bearing(new_token())), UNAUTHENTICATED, "TOKEN_INVALID")


async def test_the_hash_of_a_token_is_no_token(front, token, refused):
    await refused(listing(front, *bearing(hash_of(token))), UNAUTHENTICATED, "TOKEN_INVALID")


async def test_tokens_come_and_go_without_a_restart(front, tokens, token, refused):
    second = tokens.add("ann")
    await listing(front, *bearing(second))
    tokens.withdraw(token)
    await refused(listing(front, *bearing(token)), UNAUTHENTICATED, "TOKEN_INVALID")
    await listing(front, *bearing(second))


async def test_a_token_has_its_day(front, tokens, token, refused):
    days = {"old": "2020-01-01", "new": "2999-01-01"}
    tokens.write(f"{name}:user:{hash_of(f'myeye_{name}')}:{day}" for name, day in days.items())
    await refused(listing(front, *bearing("myeye_old")), UNAUTHENTICATED, "TOKEN_EXPIRED")
    await listing(front, *bearing("myeye_new"))


async def test_a_file_that_cannot_be_read_changes_nothing(front, tokens, token, caplog):
    tokens.write(["ann:user:not-a-hash"])
    await listing(front, *bearing(token))
    tokens.path.unlink()
    await listing(front, *bearing(token))
    assert "line 1" in caplog.text
    assert "not-a-hash" not in caplog.text


async def test_streams_end_when_their_token_is_withdrawn(front, tokens, token, refused):
    bob = tokens.add("bob")
    mine = (await front.stub.Submit(pb.SubmitRequest(inputs=[Input(content=b"x")]), metadata=bearing(token))).job.id
    calls = [
        front.stub.Watch(pb.WatchRequest(job_id=mine), metadata=bearing(token)),
        front.stub.WatchMany(pb.WatchManyRequest(labels=["x"]), metadata=bearing(token)),
    ]
    upload = front.blob_stub.Upload(metadata=bearing(token))
    await upload.write(blob_pb.UploadRequest(target={"upload_id": "an-upload-of-mine", "size_bytes": 9}))
    await upload.write(blob_pb.UploadRequest(data=b"piece"))
    other = front.stub.WatchMany(pb.WatchManyRequest(labels=["x"]), metadata=bearing(bob))
    for call in (*calls, other):
        await call.read()
    tokens.withdraw(token)
    async with asyncio.timeout(LIMIT_S):
        for call in calls:
            await refused(_to_the_end(call), UNAUTHENTICATED, "TOKEN_INVALID")
        await refused(_ended(upload), UNAUTHENTICATED, "TOKEN_INVALID")
    assert not other.done(), "bob's goes on"


async def _ended(call: Any) -> Any:
    return await call


async def _to_the_end(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def test_what_a_stranger_sends_is_not_even_read(start, tokens, token, refused):
    """A message as large as may be waits for a gateway that refuses it by its first bytes."""
    async with start(Limits(max_message_bytes=1 << 20), identity=IdentityOptions(tokens=tokens.path)) as front:
        too_large = pb.SubmitRequest(inputs=[Input(content=bytes(2 << 20))])
        await refused(front.stub.Submit(too_large), UNAUTHENTICATED, "TOKEN_MISSING")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await front.stub.Submit(too_large, metadata=bearing(token))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, "with a token it is read, and found too large"


async def test_no_token_is_ever_logged(front, token, caplog, refused):
    caplog.set_level(0)
    stranger = new_token()
    await listing(front, *bearing(token))
    await refused(listing(front, *bearing(stranger)), UNAUTHENTICATED, "TOKEN_INVALID")
    assert token not in caplog.text
    assert stranger not in caplog.text
