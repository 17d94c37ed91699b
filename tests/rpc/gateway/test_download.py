"""Download: the pictures of a job, whole and of the right kind."""

from __future__ import annotations

import grpc
import pytest

from dispatch.blobs import open_blobs
from dispatch.ports import CHUNK_BYTES
from dispatch.v1.task_pb2 import Task
from myeye.v1 import blob_service_pb2 as pb
from myeye.v1.blob_service_pb2_grpc import BlobServiceStub
from myeye.v1.detection_service_pb2 import CancelRequest, DeleteRequest
from myeye.v1.job_pb2 import Input

JPEG = b"\xff\xd8\xff\xe0 a JPEG, if you ask its first bytes"


def download_input(front, job_id, item=0):
    return BlobServiceStub(front.channel).DownloadInput(pb.DownloadInputRequest(job_id=job_id, item=item))


def download_annotated(front, job_id, item=0):
    return BlobServiceStub(front.channel).DownloadAnnotated(pb.DownloadAnnotatedRequest(job_id=job_id, item=item))


async def succeed(front, hand, annotated=JPEG):
    async with hand.taking() as deliveries:
        delivery = await anext(deliveries)
        task = Task.FromString(delivery.body)
        if task.annotated_blob and annotated is not None:
            await open_blobs(front.config.blobs).put(task.annotated_blob, annotated)
        await hand.succeed(*await hand.start(delivery))
        await delivery.ack()


async def test_an_input_comes_back_byte_by_byte_with_its_item(front):
    job = await front.submit(2)
    bodies = [message.body async for message in download_input(front, job.id, 1)]
    assert [(body.content_type, body.data) for body in bodies] == [("application/octet-stream", b"picture 1")]


@pytest.mark.parametrize("size", [CHUNK_BYTES, CHUNK_BYTES + 1, 1_000_000])
async def test_a_large_picture_comes_in_pieces_that_all_name_its_type(front, size):
    content = JPEG + bytes(size - len(JPEG))
    job = await front.submit(inputs=[Input(content=content)])
    bodies = [message.body async for message in download_input(front, job.id)]
    assert b"".join(body.data for body in bodies) == content
    assert {body.content_type for body in bodies} == {"image/jpeg"}
    assert len(bodies) == -(-size // CHUNK_BYTES)


async def test_the_annotated_picture_is_there_when_the_item_has_succeeded(front, hand, refused):
    job = await front.submit(annotate=True)
    details = await refused(download_annotated(front, job.id).read(), grpc.StatusCode.NOT_FOUND, "ANNOTATED_NOT_FOUND")
    assert details["ErrorInfo"].metadata["state"] == "QUEUED"
    await succeed(front, hand)
    bodies = [message.body async for message in download_annotated(front, job.id)]
    assert [(body.content_type, body.data) for body in bodies] == [("image/jpeg", JPEG)]


async def test_there_is_no_annotated_picture_when_none_was_asked_for(front, hand, refused):
    job = await front.submit()
    await succeed(front, hand)
    await refused(download_annotated(front, job.id).read(), grpc.StatusCode.NOT_FOUND, "ANNOTATED_NOT_FOUND")


async def test_there_is_no_annotated_picture_of_what_failed(front, hand, refused):
    job = await front.submit(annotate=True)
    await front.stub.Cancel(CancelRequest(job_id=job.id))
    details = await refused(download_annotated(front, job.id).read(), grpc.StatusCode.NOT_FOUND, "ANNOTATED_NOT_FOUND")
    assert details["ErrorInfo"].metadata["state"] == "CANCELLED"


@pytest.mark.parametrize("download", [download_input, download_annotated])
@pytest.mark.parametrize("item", [-1, 2])
async def test_an_item_that_the_job_has_not_is_not_found(front, refused, download, item):
    job = await front.submit(2, annotate=True)
    await refused(download(front, job.id, item).read(), grpc.StatusCode.NOT_FOUND, "ITEM_NOT_FOUND")


@pytest.mark.parametrize("download", [download_input, download_annotated])
@pytest.mark.parametrize("job_id", ["a" * 26, "../etc", ""])
async def test_an_unknown_job_is_not_found(front, refused, download, job_id):
    await refused(download(front, job_id).read(), grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")


@pytest.mark.parametrize("download", [download_input, download_annotated])
async def test_of_a_removed_job_there_is_nothing(front, hand, refused, download):
    job = await front.submit(annotate=True)
    await succeed(front, hand)
    await front.stub.Delete(DeleteRequest(job_id=job.id))
    await refused(download(front, job.id).read(), grpc.StatusCode.NOT_FOUND, "JOB_PURGED")


async def test_a_picture_that_the_store_has_lost_is_told_as_such(front, hand, refused):
    job = await front.submit(annotate=True)
    await succeed(front, hand, annotated=None)
    await refused(download_annotated(front, job.id).read(), grpc.StatusCode.NOT_FOUND, "BLOB_NOT_FOUND")
    for path in front.blobs:
        path.unlink()
    await refused(download_input(front, job.id).read(), grpc.StatusCode.NOT_FOUND, "BLOB_NOT_FOUND")
