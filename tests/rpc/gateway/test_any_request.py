"""Requests with anything in their fields: each is done, or refused with a documented code and reason, and none is our failure."""

from __future__ import annotations

import asyncio

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.ids import job_id
from myeye.v1 import blob_service_pb2 as blob_pb
from myeye.v1 import detection_service_pb2 as pb
from tests.fuzz.messages import messages

FEW = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
SOME = settings(FEW, max_examples=settings.default.max_examples // 2)
REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.FAILED_PRECONDITION,
}
MOMENT_S = 0.2
CUT_SHORT = "Internal error from Core"
"""What grpc.aio's client says by itself of a call that was answered while it was still sending."""


def known(name: str):
    """Let requests name what there is, now and then."""
    if name.endswith((".job_id", ".request_id")):
        return st.sampled_from(["", "again", "no id", job_id("", "Submit", "again"), job_id("", "Submit", "never")])
    if name.endswith((".upload_id", ".blob")):
        return st.sampled_from(["", "the-upload-of-this-test", "../../../../etc/passwd", "x" * 65])
    if name.endswith(".model"):
        return st.sampled_from(["", "efficientdet-lite0", "another"])
    return None


def check(error: grpc.aio.AioRpcError) -> None:
    """See that a refusal is one of ours, with its reason."""
    assert error.code() in REFUSALS, error
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    assert status
    assert status.details[0].Unpack(info)
    assert info.domain == "myeye"
    assert info.reason


async def ask(call) -> None:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        if error.details() != CUT_SHORT:
            check(error)


async def ask_for_a_moment(call) -> None:
    try:
        async with asyncio.timeout(MOMENT_S):
            await ask(call)
    except TimeoutError:
        call.cancel()


async def follow(call) -> None:
    """Read a stream for a moment; many have no end."""
    try:
        async with asyncio.timeout(MOMENT_S):
            async for _ in call:
                pass
    except TimeoutError:
        call.cancel()
    except grpc.aio.AioRpcError as error:
        check(error)


@FEW
@given(messages(pb.SubmitRequest, given=known))
async def test_any_submit_makes_a_job_or_is_refused(front, request):
    await ask(front.stub.Submit(request))


@FEW
@given(messages(pb.SubmitImageRequest, given=known))
async def test_any_submit_of_an_image_makes_a_job_or_is_refused(front, request):
    await ask(front.stub.SubmitImage(request))


@FEW
@given(
    messages(pb.GetRequest, given=known),
    messages(pb.ListRequest, given=known),
    messages(pb.CancelRequest, given=known),
    messages(pb.RetryRequest, given=known),
    messages(pb.RetryManyRequest, given=known),
    messages(pb.DeleteRequest, given=known),
)
async def test_any_question_about_jobs_is_answered_or_refused(front, get, listing, cancel, retry, many, delete):
    await front.stub.Submit(pb.SubmitRequest(request_id="again", inputs=[{"name": "a", "content": b"picture"}]))
    await ask(front.stub.Get(get))
    await ask(front.stub.List(listing))
    await ask(front.stub.Cancel(cancel))
    await ask(front.stub.Retry(retry))
    await ask(front.stub.RetryMany(many))
    await ask(front.stub.Delete(delete))


@SOME
@given(messages(pb.WatchRequest, given=known), messages(pb.WatchManyRequest, given=known), messages(pb.WaitRequest, given=known))
async def test_any_watch_tells_or_is_refused(front, watch, joint, wait):
    await asyncio.gather(
        follow(front.stub.Watch(watch)), follow(front.stub.WatchMany(joint)), ask_for_a_moment(front.stub.Wait(wait))
    )


@FEW
@given(
    messages(blob_pb.UploadImageRequest, given=known),
    messages(blob_pb.GetUploadRequest, given=known),
    st.lists(messages(blob_pb.UploadRequest, given=known), max_size=4),
)
async def test_any_upload_is_taken_or_refused(front, image, get, stream):
    await ask(front.blob_stub.UploadImage(image))
    await ask(front.blob_stub.GetUpload(get))
    await ask(front.blob_stub.Upload(iter(stream)))
    downloads = (
        front.blob_stub.DownloadInput(blob_pb.DownloadInputRequest(job_id=get.upload_id, item=-1)),
        front.blob_stub.DownloadAnnotated(blob_pb.DownloadAnnotatedRequest(job_id=job_id("", "Submit", "again"), item=2**31 - 1)),
    )
    for call in downloads:
        await follow(call)
