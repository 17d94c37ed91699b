"""Submit with uploads: as with the bytes themselves, and the job has a copy of its own."""

from __future__ import annotations

import asyncio
import hashlib
import time

import grpc
import pytest

from dispatch.blobs import open_blobs
from dispatch.ports import Kind
from dispatch.v1.task_pb2 import Task
from gateway.upload_expiry import remove_expired
from myeye.v1 import blob_service_pb2 as blob_pb
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.job_pb2 import Input, VideoOptions
from myeye.v1.upload_pb2 import UploadTarget

ID = "a-picture-for-the-job"
PICTURE = b"\xff\xd8\xff a picture"
MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00 and so on"


async def upload(front, body: bytes = PICTURE, upload_id: str = ID, sent: int | None = None) -> None:
    target = UploadTarget(upload_id=upload_id, size_bytes=len(body))
    await front.blob_stub.Upload(iter([blob_pb.UploadRequest(target=target), blob_pb.UploadRequest(data=body[:sent])]))


async def downloaded(front, job_id: str, item: int = 0) -> bytes:
    call = front.blob_stub.DownloadInput(blob_pb.DownloadInputRequest(job_id=job_id, item=item))
    return b"".join([message.body.data async for message in call])


async def test_an_upload_becomes_an_item_of_its_size_and_is_not_stored_twice(front, hand):
    await upload(front)
    job = await front.submit(inputs=[Input(name="p", blob=ID), Input(blob=ID), Input(content=b"picture")])
    assert [item.name for item in job.items] == ["p", "", ""]
    async with hand.taking() as deliveries:
        tasks = [Task.FromString((await anext(deliveries)).body) for _ in range(3)]
    assert sorted(task.input_size_bytes for task in tasks) == [7, len(PICTURE), len(PICTURE)]
    assert await downloaded(front, job.id) == await downloaded(front, job.id, 1) == PICTURE
    inodes = {path.stat().st_ino for path in front.blobs if path.read_bytes() == PICTURE}
    assert len(inodes) == 1


async def test_its_first_bytes_decide_that_it_is_a_video(front, hand):
    await upload(front, MP4)
    await front.submit(inputs=[Input(blob=ID, video=VideoOptions(max_fps=2))])
    async with hand.taking(kind=Kind.VIDEO) as deliveries:
        task = Task.FromString((await anext(deliveries)).body)
    assert task.video == VideoOptions(max_fps=2)


async def test_the_job_does_not_need_the_upload_any_more(front, refused):
    await upload(front)
    job = await front.submit(inputs=[Input(blob=ID)])
    await remove_expired(open_blobs(front.config.blobs), time.time_ns() + 1)
    assert await downloaded(front, job.id) == PICTURE
    call = front.stub.Submit(pb.SubmitRequest(inputs=[Input(blob=ID)]))
    details = await refused(call, grpc.StatusCode.NOT_FOUND, "UPLOAD_NOT_FOUND")
    assert details["ErrorInfo"].metadata == {"upload_id": ID}


async def test_the_same_bytes_are_the_same_request_however_they_came(front):
    await upload(front)
    await upload(front, upload_id="the-same-picture-again")
    sources = [Input(name="p", blob=ID), Input(name="p", blob="the-same-picture-again"), Input(name="p", content=PICTURE)]
    answers = [await front.stub.Submit(pb.SubmitRequest(request_id="r", inputs=[source])) for source in sources]
    assert [answer.replayed for answer in answers] == [False, True, True]
    assert len({answer.job.id for answer in answers}) == 1


async def test_other_bytes_under_the_same_request_id_are_a_conflict(front, refused):
    await upload(front)
    await upload(front, PICTURE[::-1], "another-picture-for-it")
    await front.submit(request_id="r", inputs=[Input(blob=ID)])
    call = front.stub.Submit(pb.SubmitRequest(request_id="r", inputs=[Input(blob="another-picture-for-it")]))
    await refused(call, grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_an_upload_that_is_not_complete_is_refused(front, refused):
    await upload(front, sent=5)
    call = front.stub.Submit(pb.SubmitRequest(inputs=[Input(content=b"p"), Input(blob=ID)]))
    details = await refused(call, grpc.StatusCode.FAILED_PRECONDITION, "UPLOAD_INCOMPLETE")
    assert details["ErrorInfo"].metadata == {"upload_id": ID, "received_bytes": "5"}


@pytest.mark.parametrize("blob", ["", "short", "../../../../etc/passwd", "x" * 65])
async def test_what_cannot_be_an_upload_is_a_violation_beside_all_others(front, refused, blob):
    call = front.stub.Submit(pb.SubmitRequest(inputs=[Input(blob=blob), Input()], max_attempts=-1))
    details = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    fields = [violation.field for violation in details["BadRequest"].field_violations]
    assert fields == ["inputs[0].blob", "inputs[1].source", "max_attempts"]


async def test_many_jobs_of_one_upload_at_once(front):
    await upload(front)
    jobs = await asyncio.gather(*(front.submit(inputs=[Input(blob=ID)] * 3) for _ in range(10)))
    assert len({job.id for job in jobs}) == 10
    digests = {hashlib.sha256(await downloaded(front, job.id, 2)).digest() for job in jobs}
    assert digests == {hashlib.sha256(PICTURE).digest()}


async def test_a_retry_goes_on_with_what_the_job_has(front, hand):
    await upload(front, MP4)
    job = await front.submit(inputs=[Input(blob=ID)])
    await front.stub.Cancel(pb.CancelRequest(job_id=job.id))
    await remove_expired(open_blobs(front.config.blobs), time.time_ns() + 1)
    again = (await front.stub.Retry(pb.RetryRequest(job_id=job.id))).job
    assert await downloaded(front, again.id) == MP4
