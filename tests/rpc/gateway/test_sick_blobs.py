"""Submit and Upload over a blob store that is slow, full or read-only: a clear answer, and nothing left behind."""

from __future__ import annotations

import asyncio
import hashlib
import random
from functools import partial
from pathlib import Path

import grpc
import pytest

from gateway import server
from gateway.submit import Submitter
from gateway.upload_intake import PART_BYTES
from myeye.v1 import blob_service_pb2 as blob_pb
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.job_pb2 import STATE_QUEUED, Input
from myeye.v1.upload_pb2 import UploadTarget
from tests.torture.disk import Disk, Trouble

LIMIT_S = 20.0


async def test_a_client_that_leaves_while_pictures_are_stored_leaves_none(start, monkeypatch):
    begun, go_on, gone = asyncio.Event(), asyncio.Event(), asyncio.Event()
    open_blobs = server.open_blobs

    def open_slow_blobs(url: str):
        blobs = open_blobs(url)
        put, delete_prefix = blobs.put, blobs.delete_prefix

        async def slow_put(name: str, data: bytes) -> None:
            if name.startswith("jobs/"):
                begun.set()
                await go_on.wait()
            await put(name, data)

        async def watched_delete(prefix: str) -> None:
            await delete_prefix(prefix)
            if prefix.startswith("jobs/"):
                gone.set()

        blobs.put, blobs.delete_prefix = slow_put, watched_delete
        return blobs

    monkeypatch.setattr(server, "open_blobs", open_slow_blobs)
    async with start() as front, asyncio.timeout(LIMIT_S):
        call = front.stub.Submit(pb.SubmitRequest(inputs=[Input(content=b"a"), Input(content=b"b")]))
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        go_on.set()
        await gone.wait()
        assert front.blobs == []
        assert not (await front.stub.List(pb.ListRequest())).jobs


def blob_folder(front) -> Path:
    return Path(front.config.blobs.removeprefix("file://"))


@pytest.mark.parametrize("trouble", [Trouble.FULL, Trouble.READ_ONLY])
async def test_a_job_whose_pictures_find_no_room_is_refused_and_leaves_none_and_can_be_asked_for_again(front, refused, trouble):
    request = pb.SubmitRequest(inputs=[Input(content=b"a" * 10_000), Input(content=b"b" * 10_000)], request_id="r")
    with Disk(blob_folder(front), lambda _: trouble).mounted():
        details = await refused(front.stub.Submit(request), grpc.StatusCode.UNAVAILABLE, "BLOBS_UNAVAILABLE")
        assert details["RetryInfo"].retry_delay.ToNanoseconds() > 0
    assert front.blobs == []
    assert not (await front.stub.List(pb.ListRequest())).jobs
    answer = await front.stub.Submit(request)
    assert (answer.job.state, answer.replayed) == (STATE_QUEUED, False)


async def test_one_picture_too_many_for_the_disk_takes_the_others_with_it(front, refused):
    def trouble(file: Path) -> Trouble:
        return Trouble.FULL if "~1~" in file.name else Trouble.NONE

    with Disk(blob_folder(front), trouble).mounted():
        call = front.stub.Submit(pb.SubmitRequest(inputs=[Input(content=b"%d" % number) for number in range(3)]))
        await refused(call, grpc.StatusCode.UNAVAILABLE, "BLOBS_UNAVAILABLE")
        assert front.blobs == []


async def test_a_job_that_takes_too_long_to_store_is_refused_and_leaves_nothing(start, refused, monkeypatch):
    monkeypatch.setattr(server, "Submitter", partial(Submitter, storing_limit_s=0.0))
    async with start() as front:
        call = front.stub.Submit(pb.SubmitRequest(inputs=[Input(content=b"a")]))
        await refused(call, grpc.StatusCode.UNAVAILABLE, "BLOBS_UNAVAILABLE")
        assert front.blobs == []
        assert not (await front.stub.List(pb.ListRequest())).jobs


BODY = random.Random(3).randbytes(PART_BYTES + 1000)


def upload(front, offset: int, end: int) -> grpc.aio.StreamUnaryCall:
    target = UploadTarget(
        upload_id="the-upload-of-this-test",
        size_bytes=len(BODY),
        sha256=hashlib.sha256(BODY).hexdigest(),
        offset=offset,
    )
    pieces = [BODY[at : min(at + 1_000_000, end)] for at in range(offset, end, 1_000_000)]
    return front.blob_stub.Upload(
        iter([blob_pb.UploadRequest(target=target), *(blob_pb.UploadRequest(data=piece) for piece in pieces)])
    )


async def received(front) -> int:
    request = blob_pb.GetUploadRequest(upload_id="the-upload-of-this-test")
    return int((await front.blob_stub.GetUpload(request)).upload.received_bytes)


@pytest.mark.parametrize("trouble", [Trouble.FULL, Trouble.READ_ONLY])
async def test_an_upload_that_finds_no_room_keeps_what_was_received_and_goes_on_later(front, refused, trouble):
    await upload(front, 0, PART_BYTES)
    before = sorted(front.blobs)
    with Disk(blob_folder(front), lambda _: trouble).mounted():
        await refused(upload(front, PART_BYTES, len(BODY)), grpc.StatusCode.UNAVAILABLE, "BLOBS_UNAVAILABLE")
        assert await received(front) == PART_BYTES
    assert sorted(front.blobs) == before
    assert (await upload(front, PART_BYTES, len(BODY))).upload.complete


async def test_an_upload_whose_parts_cannot_be_joined_for_lack_of_room_is_joined_when_there_is(front, refused):
    def trouble(file: Path) -> Trouble:
        return Trouble.FULL if "~whole." in file.name else Trouble.NONE

    with Disk(blob_folder(front), trouble).mounted():
        await refused(upload(front, 0, len(BODY)), grpc.StatusCode.UNAVAILABLE, "BLOBS_UNAVAILABLE")
        assert not any("whole" in blob.name for blob in front.blobs)
        assert await received(front) == len(BODY)
    assert (await upload(front, len(BODY), len(BODY))).upload.complete
    assert (await front.submit(inputs=[Input(blob="the-upload-of-this-test")])).state == STATE_QUEUED
