"""Submit with addresses: only what the operator has allowed, and told to nobody again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import grpc
import pytest

from dispatch.blobs import open_blobs
from dispatch.events import Succeeded
from dispatch.options import MAX_PICTURE_BYTES, MAX_UPLOAD_BYTES
from dispatch.ports import Kind
from dispatch.uri import MAX_URI_LENGTH
from dispatch.v1.signal_pb2 import Signal, WorkerAlive
from dispatch.v1.task_pb2 import Task
from egress.options import EgressOptions
from gateway.fair_use import FairUse
from gateway.quota import read_quota
from myeye.v1 import blob_service_pb2 as blob_pb
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.job_pb2 import STATE_FAILED, Input, VideoOptions

URL = "https://images.example.com/cat.jpg?signature=s3cr3t"
ALLOWING = EgressOptions.parse(fetch_from="https://images.example.com,s3://photos/public", internal_networks="", ca="")
JPEG = b"\xff\xd8\xff a cat"


@pytest.fixture
async def front(start):
    async with start(egress=ALLOWING) as front:
        yield front


async def failed(front, hand, job) -> Task:
    """Fail the job's item, and give its task."""
    async with hand.taking(kind=Kind.REMOTE) as deliveries:
        delivery = await anext(deliveries)
        task, run = await hand.start(delivery)
        await hand.fail(task, run)
        await delivery.ack()
    assert (await front.stub.Wait(pb.WaitRequest(job_id=job.id))).job.state == STATE_FAILED
    return task


async def test_it_becomes_a_task_for_workers_that_fetch(front, hand):
    job = await front.submit(
        inputs=[Input(name="cat", uri=URL, video=VideoOptions(max_fps=2)), Input(content=JPEG)], annotate=True
    )
    assert [item.name for item in job.items] == ["cat", ""]
    async with hand.taking(kind=Kind.REMOTE) as remotes, hand.taking() as pictures:
        task, picture = [Task.FromString((await anext(deliveries)).body) for deliveries in (remotes, pictures)]
    assert (task.item, task.remote.uri, task.remote.video.max_fps) == (0, URL, 2)
    assert not task.HasField("video")
    assert task.input_blob.endswith("/0/input")
    assert task.annotated_blob.endswith("/0/annotated")
    assert task.video_execution_timeout.seconds > task.execution_timeout.seconds > 0
    assert not picture.HasField("remote")


async def test_the_defaults_for_a_video_are_filled_in(front, hand):
    await front.submit(inputs=[Input(uri="s3://photos/public/clip.mp4")])
    async with hand.taking(kind=Kind.REMOTE) as remotes:
        assert Task.FromString((await anext(remotes)).body).remote.video == VideoOptions(max_fps=5.0)


@pytest.mark.parametrize("uri", ["https://evil.example.com/", "https://images.example.com:8443/", "s3://photos/private/x"])
async def test_what_is_not_allowed_is_refused(front, refused, uri):
    call = front.stub.Submit(pb.SubmitRequest(inputs=[Input(content=JPEG), Input(uri=uri)]))
    details = await refused(call, grpc.StatusCode.FAILED_PRECONDITION, "URI_FORBIDDEN")
    assert details["ErrorInfo"].metadata["field"] == "inputs[1].uri"
    assert not front.blobs


async def test_nothing_is_allowed_by_default(start, refused):
    async with start() as front:
        call = front.stub.Submit(pb.SubmitRequest(inputs=[Input(uri=URL)]))
        await refused(call, grpc.StatusCode.FAILED_PRECONDITION, "URI_FORBIDDEN")
        assert not (await front.stub.GetCapabilities(pb.GetCapabilitiesRequest())).uri_sources


@pytest.mark.parametrize("uri", ["", "http://images.example.com/", "https://a:b@images.example.com/", URL + "x" * MAX_URI_LENGTH])
async def test_a_malformed_address_is_a_violation(front, refused, uri):
    call = front.stub.Submit(pb.SubmitRequest(inputs=[Input(uri=uri)]))
    details = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    (violation,) = details["BadRequest"].field_violations
    assert violation.field == "inputs[0].uri"
    assert violation.description.startswith("must ")


async def test_the_longest_address_is_taken(front):
    await front.submit(inputs=[Input(uri=URL + "x" * (MAX_URI_LENGTH - len(URL)))])
    told = await front.stub.GetCapabilities(pb.GetCapabilitiesRequest())
    assert told.limits.max_uri_length == MAX_URI_LENGTH
    assert list(told.uri_sources) == ["https://images.example.com", "s3://photos/public/"]


async def test_the_same_address_is_the_same_request_and_another_is_not(front, refused):
    first = await front.submit(inputs=[Input(uri=URL)], request_id="r1")
    again = await front.stub.Submit(pb.SubmitRequest(inputs=[Input(uri=URL)], request_id="r1"))
    assert (again.job.id, again.replayed) == (first.id, True)
    for other in (Input(uri=f"{URL}2"), Input(content=URL.encode())):
        call = front.stub.Submit(pb.SubmitRequest(inputs=[other], request_id="r1"))
        await refused(call, grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_no_answer_and_no_line_of_the_log_tells_the_address(front, hand, refused, caplog):
    job = await front.submit(inputs=[Input(uri=URL)])
    await failed(front, hand, job)
    for answer in (
        await front.stub.Get(pb.GetRequest(job_id=job.id)),
        await front.stub.List(pb.ListRequest(with_failed_items=True)),
        *await front.events(job.id),
    ):
        assert "s3cr3t" not in str(answer)
        assert "cat.jpg" not in str(answer)
    evil = pb.SubmitRequest(inputs=[Input(uri=URL.replace("images", "evil"))])
    details = await refused(front.stub.Submit(evil), grpc.StatusCode.FAILED_PRECONDITION, "URI_FORBIDDEN")
    assert "s3cr3t" not in str(details)
    assert "s3cr3t" not in caplog.text


async def test_there_is_nothing_to_download_before_it_was_fetched(front, hand, refused):
    job = await front.submit(inputs=[Input(uri=URL)])
    call = front.blob_stub.DownloadInput(blob_pb.DownloadInputRequest(job_id=job.id))
    await refused(call.read(), grpc.StatusCode.NOT_FOUND, "BLOB_NOT_FOUND")
    async with hand.taking(kind=Kind.REMOTE) as remotes:
        task = Task.FromString((await anext(remotes)).body)
    await open_blobs(front.config.blobs).put(task.input_blob, JPEG)
    answer = [message.body async for message in front.blob_stub.DownloadInput(blob_pb.DownloadInputRequest(job_id=job.id))]
    assert [(body.data, body.content_type) for body in answer] == [(JPEG, "image/jpeg")]


@pytest.mark.parametrize("was_fetched", [True, False])
async def test_a_retry_asks_again_with_what_was_fetched_if_anything_was(front, hand, was_fetched):
    job = await front.submit(inputs=[Input(uri=URL)])
    task = await failed(front, hand, job)
    blobs = open_blobs(front.config.blobs)
    if was_fetched:
        await blobs.put(task.input_blob, JPEG)
    again = (await front.stub.Retry(pb.RetryRequest(job_id=job.id))).job
    async with hand.taking(kind=Kind.REMOTE) as remotes:
        next_task = Task.FromString((await anext(remotes)).body)
    assert (next_task.job_id, next_task.remote.uri) == (again.id, URL)
    assert bool(await blobs.list(f"jobs/{again.id}/")) is was_fetched


async def test_a_job_that_waits_for_a_worker_that_fetches_says_so(front, hand):
    async def alive(name: str, *, fetches: bool) -> None:
        told = WorkerAlive(worker=name, models=["efficientdet-lite0"], detectors=1, fetches=fetches)
        await hand.broker.signals.publish(Signal(worker_alive=told).SerializeToString())

    async def until(reason: str) -> None:
        async with asyncio.timeout(20):
            while (await front.stub.Get(pb.GetRequest(job_id=job.id))).job.queue.waiting_reason != reason:
                await alive("one", fetches=fetches)
                await asyncio.sleep(0.01)

    job, fetches = await front.submit(inputs=[Input(uri=URL)]), False
    await until("no worker with this model that fetches addresses is alive")
    fetches = True
    await until("it is next")


async def test_what_was_accepted_stays_accepted_when_the_list_changes(start, hand, refused):
    async with start(egress=ALLOWING) as front:
        job = await front.submit(inputs=[Input(uri=URL)])
    async with start(egress=replace(ALLOWING, fetch_from=EgressOptions().fetch_from)) as front:
        task = await failed(front, hand, job)
        assert task.remote.uri == URL
        again = (await front.stub.Retry(pb.RetryRequest(job_id=job.id))).job
        assert again.retry_of == job.id


def limited(size: int) -> FairUse:
    return FairUse(quota=read_quota(f"bytes={size}"), quotas_file=None, max_watches=0, max_uploads=0)


async def stored(front) -> int:
    return (await front.stub.GetCapabilities(pb.GetCapabilitiesRequest())).holdings.stored_bytes


async def test_who_may_store_only_so_much_needs_room_for_the_largest_picture(start, hand, refused):
    async with start(egress=ALLOWING, fair_use=limited(2 * MAX_PICTURE_BYTES)) as front:
        job = await front.submit(inputs=[Input(uri=URL)])
        assert await stored(front) == MAX_PICTURE_BYTES
        two = front.stub.Submit(pb.SubmitRequest(inputs=[Input(uri=URL), Input(content=JPEG)]))
        await refused(two, grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_BYTES")
        video = front.stub.Submit(pb.SubmitRequest(inputs=[Input(uri=URL, video=VideoOptions(max_fps=1))]))
        await refused(video, grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_BYTES")
        async with hand.taking(kind=Kind.REMOTE) as remotes:
            delivery = await anext(remotes)
            task, run = await hand.start(delivery)
            assert (task.remote.max_bytes, task.input_size_bytes) == (MAX_PICTURE_BYTES, 0)
            await hand.tell(Succeeded, task, item=0, run_id=run, timings=b"", fetched_bytes=9)
            await delivery.ack()
        await front.stub.Wait(pb.WaitRequest(job_id=job.id))
        assert await stored(front) == 9


async def test_who_means_a_video_needs_room_for_the_largest_one(start, hand):
    async with start(egress=ALLOWING, fair_use=limited(10 * MAX_UPLOAD_BYTES)) as front:
        job = await front.submit(inputs=[Input(uri=URL, video=VideoOptions(max_fps=1))])
        assert await stored(front) == MAX_UPLOAD_BYTES
        task = await failed(front, hand, job)
        assert task.remote.max_bytes == MAX_UPLOAD_BYTES
        await front.stub.Retry(pb.RetryRequest(job_id=job.id))
        assert await stored(front) == 2 * MAX_UPLOAD_BYTES, "how much the first one has left there, nobody has said"


async def test_without_a_quota_nothing_is_kept_free_for_a_retry_either(start, hand):
    async with start(egress=ALLOWING, fair_use=limited(MAX_UPLOAD_BYTES)) as front:
        job = await front.submit(inputs=[Input(uri=URL)])
        await failed(front, hand, job)
    async with start(egress=ALLOWING) as front:
        await front.stub.Retry(pb.RetryRequest(job_id=job.id))
        async with hand.taking(kind=Kind.REMOTE) as remotes:
            assert Task.FromString((await anext(remotes)).body).remote.max_bytes == 0
