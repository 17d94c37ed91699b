"""What one caller may have and do, on one gateway and on several."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import grpc
from google.rpc import error_details_pb2

from dispatch.blobs import open_blobs
from gateway.fair_use import FairUse
from gateway.identity.options import IdentityOptions
from gateway.limits import Limits
from gateway.quota import read_quota
from gateway.upload_tally import FRESH_S, UploadTally
from myeye.v1 import blob_service_pb2
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.job_pb2 import Input
from myeye.v1.upload_pb2 import UploadTarget
from tests.rpc.gateway.callers import Tokens, bearing

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
LIMIT_S = 30


def quota(text: str, file: Path | None = None) -> FairUse:
    return FairUse(quota=read_quota(text), quotas_file=file, max_watches=0, max_uploads=0)


def piece(upload_id: str, size: int, data: bytes = b"", offset: int = 0) -> blob_service_pb2.UploadImageRequest:
    request = blob_service_pb2.UploadImageRequest(upload_id=upload_id, size_bytes=size, offset=offset)
    request.piece.data = data
    return request


async def submit(front, *, count: int = 1, request_id: str = "", content: bytes = b"picture"):
    inputs = [Input(name=f"p{number}", content=content) for number in range(count)]
    return (await front.stub.Submit(pb.SubmitRequest(inputs=inputs, request_id=request_id))).job


async def told(front) -> pb.GetCapabilitiesResponse:
    return await front.stub.GetCapabilities(pb.GetCapabilitiesRequest())


async def until_admitted(call):
    """Call until it is not refused for want of room: that is given back a moment after it was had."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            with suppress(grpc.aio.AioRpcError):
                return await call()


async def test_jobs_in_flight_are_limited_until_one_ends(start, refused):
    async with start(fair_use=quota("jobs=2")) as front:
        first = await submit(front, request_id="first")
        await submit(front)
        details = await refused(submit(front), EXHAUSTED, "QUOTA_JOBS")
        assert details["ErrorInfo"].metadata["limit"] == "2"
        assert details["QuotaFailure"].violations[0].subject == "principal"
        assert details["RetryInfo"].retry_delay.ToNanoseconds() > 0
        assert (await submit(front, request_id="first")).id == first.id, "what was accepted is told again"
        await front.stub.Cancel(pb.CancelRequest(job_id=first.id))
        await submit(front)
        assert len(front.blobs) == 3, "nothing is kept of what was refused"


async def test_items_in_flight_are_limited(start, refused):
    async with start(fair_use=quota("items=5")) as front:
        await submit(front, count=3)
        await refused(submit(front, count=3), EXHAUSTED, "QUOTA_ITEMS")
        await submit(front, count=2)
        holdings = (await told(front)).holdings
        assert (holdings.jobs, holdings.items) == (2, 5)


async def test_stored_bytes_are_those_of_jobs_until_they_are_removed(start, refused):
    async with start(fair_use=quota("bytes=100")) as front:
        job = await submit(front, content=b"x" * 60)
        await refused(submit(front, content=b"x" * 41), EXHAUSTED, "QUOTA_BYTES")
        await submit(front, content=b"x" * 40)
        assert (await told(front)).holdings.stored_bytes == 100
        await front.stub.Cancel(pb.CancelRequest(job_id=job.id))
        await refused(submit(front, content=b"x" * 41), EXHAUSTED, "QUOTA_BYTES")
        await front.stub.Delete(pb.DeleteRequest(job_id=job.id))
        await submit(front, content=b"x" * 60)


async def test_an_upload_counts_as_large_as_it_was_announced_and_may_go_on(start, refused):
    async with start(fair_use=quota("bytes=100")) as front:
        await front.blob_stub.UploadImage(piece("the-first-upload", 70, b"x"))
        await refused(front.blob_stub.UploadImage(piece("the-second-upload", 31)), EXHAUSTED, "QUOTA_BYTES")
        await refused(submit(front, content=b"x" * 31), EXHAUSTED, "QUOTA_BYTES")
        await submit(front, content=b"x" * 30)
        upload = (await front.blob_stub.UploadImage(piece("the-first-upload", 70, b"x" * 69, offset=1))).upload
        assert upload.complete
        source = Input(name="p", blob="the-first-upload")
        await refused(front.stub.Submit(pb.SubmitRequest(inputs=[source])), EXHAUSTED, "QUOTA_BYTES")


async def test_uploads_begun_on_another_gateway_are_counted_a_little_later(start, tmp_path):
    now_s = 0.0
    tally = UploadTally(open_blobs(f"file://{tmp_path}/blobs"), clock=lambda: now_s)
    async with start() as front:
        await tally.refresh()
        await front.blob_stub.UploadImage(piece("the-first-upload", 70, b"x"))
        await tally.refresh()
        assert tally.of("") == 0
        now_s = FRESH_S
        await tally.refresh()
        assert (tally.of(""), tally.of("somebody else")) == (70, 0)


async def test_a_retry_counts_as_the_job_that_it_makes(start, refused):
    async with start(fair_use=quota("items=2")) as front:
        job = await submit(front, count=2)
        await front.stub.Cancel(pb.CancelRequest(job_id=job.id))
        await submit(front)
        await refused(front.stub.Retry(pb.RetryRequest(job_id=job.id)), EXHAUSTED, "QUOTA_ITEMS")
        (outcome,) = (await front.stub.RetryMany(pb.RetryManyRequest(job_ids=[job.id]))).outcomes
        assert outcome.error.code == EXHAUSTED.value[0]
        assert not outcome.new_job_id


async def test_calls_at_once_on_two_gateways_are_not_accepted_beyond_the_quota(start):
    async with start(fair_use=quota("jobs=7,items=100")) as one, start(fair_use=quota("jobs=7,items=100")) as other:
        calls = [submit(front) for _ in range(15) for front in (one, other)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        accepted = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        refusals = {outcome.code() for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)}
        assert refusals == {EXHAUSTED}
        assert 1 <= len(accepted) <= 7
        left = 7 - len(accepted)
        for _ in range(left):
            await until_admitted(lambda: submit(other))
        listed = (await one.stub.List(pb.ListRequest())).jobs
        assert len(listed) <= 7
        assert len(one.blobs) == 7


async def test_who_calls_too_often_is_told_when_to_come_again(start, refused):
    async with start(fair_use=quota("rate=0.001,burst=3")) as front:
        for _ in range(3):
            await told(front)
        details = await refused(told(front), EXHAUSTED, "RATE_LIMITED")
        assert 900 < details["RetryInfo"].retry_delay.seconds < 1100
        await refused(front.stub.Submit(pb.SubmitRequest()), EXHAUSTED, "RATE_LIMITED")


async def test_calls_on_another_gateway_are_counted_once_they_are_told(start):
    limited = quota("rate=0.001,burst=60")
    async with start(fair_use=limited) as one, start(fair_use=limited) as other:
        for _ in range(50):
            await told(one)
        calls = 0
        with suppress(grpc.aio.AioRpcError):
            while True:
                await told(other)
                calls += 1
                await asyncio.sleep(0.2)
        assert 1 <= calls < 60


async def test_watches_are_limited_and_a_cut_one_gives_its_place_back(start, refused):
    async with start(fair_use=quota("watches=2")) as front:
        job = await submit(front)
        request = pb.WatchRequest(job_id=job.id, after_sequence=0)
        watch, many = front.stub.Watch(request), front.stub.WatchMany(pb.WatchManyRequest(labels={"a": "b"}))
        for call in (watch, many):
            await call.read()
        await refused(front.stub.Watch(request).read(), EXHAUSTED, "TOO_MANY_WATCHES")
        await refused(front.stub.Wait(pb.WaitRequest(job_id=job.id)), EXHAUSTED, "TOO_MANY_WATCHES")
        watch.cancel()
        again = await until_admitted(lambda: _begun(front.stub.Watch(request)))
        await refused(front.stub.Wait(pb.WaitRequest(job_id=job.id)), EXHAUSTED, "TOO_MANY_WATCHES")
        again.cancel()
        many.cancel()


async def _begun(call):
    await call.read()
    return call


async def test_a_gateway_takes_only_so_many_watches_and_uploads(start, refused):
    limits = Limits(max_watches=1, max_uploads=1)
    async with start(limits) as front:
        assert (await told(front)).limits.max_watches == 1
        job = await submit(front)
        watch = await _begun(front.stub.Watch(pb.WatchRequest(job_id=job.id)))
        await refused(front.stub.Wait(pb.WaitRequest(job_id=job.id)), EXHAUSTED, "TOO_MANY_WATCHES")
        watch.cancel()
        gate = asyncio.Event()

        async def messages() -> AsyncIterator[blob_service_pb2.UploadRequest]:
            yield blob_service_pb2.UploadRequest(target=UploadTarget(upload_id="the-first-upload", size_bytes=10))
            await gate.wait()
            yield blob_service_pb2.UploadRequest(data=b"0123456789")

        first = asyncio.ensure_future(_answer(front.blob_stub.Upload(messages())))
        details = await _refused_once_begun(front, refused)
        assert details["QuotaFailure"].violations[0].subject == "gateway"
        gate.set()
        assert (await first).upload.complete
        await until_admitted(lambda: front.blob_stub.UploadImage(piece("the-second-upload", 10, b"0123456789")))


async def _answer(call):
    return await call


async def _refused_once_begun(front, refused):
    async with asyncio.timeout(LIMIT_S):
        while True:
            try:
                await front.blob_stub.UploadImage(piece("the-second-upload", 10))
            except grpc.aio.AioRpcError as error:
                return await refused(_raise(error), EXHAUSTED, "TOO_MANY_UPLOADS")


async def _raise(error: Exception) -> None:
    raise error


async def test_the_quotas_are_read_again_without_a_restart(start, tmp_path, refused):
    file = tmp_path / "quotas.toml"
    file.write_text('[""]\njobs = 1\n')
    async with start(fair_use=quota("jobs=9", file)) as front:
        assert (await told(front)).quota.max_jobs == 1
        await submit(front)
        await refused(submit(front), EXHAUSTED, "QUOTA_JOBS")
        file.write_text('[""]\njobs = 2\n')
        await until_admitted(lambda: submit(front))
        assert (await told(front)).quota.max_jobs == 2


async def test_without_quotas_there_is_no_limit_and_all_is_told_as_none(front):
    answer = await told(front)
    assert answer.quota == type(answer.quota)()
    assert (answer.limits.max_watches, answer.limits.max_uploads) == (20_000, 32)


async def test_each_principal_has_its_own_and_an_admin_is_no_exception(start, tmp_path, refused):
    tokens, file = Tokens(tmp_path / "tokens"), tmp_path / "quotas.toml"
    ann, bob, root = (bearing(tokens.add(name, admin=name == "root")) for name in ("ann", "bob", "root"))
    file.write_text("[bob]\njobs = 2\n")
    async with start(identity=IdentityOptions(tokens=tokens.path), fair_use=quota("jobs=1", file)) as front:

        async def hand_in(who):
            return await front.stub.Submit(pb.SubmitRequest(inputs=[Input(name="p", content=b"picture")]), metadata=who)

        for who, most in ((ann, 1), (bob, 2), (root, 1)):
            for _ in range(most):
                await hand_in(who)
            await refused(hand_in(who), EXHAUSTED, "QUOTA_JOBS")
        answer = await front.stub.GetCapabilities(pb.GetCapabilitiesRequest(), metadata=bob)
        assert (answer.quota.max_jobs, answer.holdings.jobs) == (2, 2)


async def test_a_call_beyond_the_rate_is_refused_before_its_body_is_read(start, tmp_path, refused):
    tokens = Tokens(tmp_path / "tokens")
    ann, bob = (bearing(tokens.add(name)) for name in ("ann", "bob"))
    async with start(identity=IdentityOptions(tokens=tokens.path), fair_use=quota("rate=0.001,burst=1")) as front:
        await front.stub.GetCapabilities(pb.GetCapabilitiesRequest(), metadata=ann)
        unreadable = front.channel.unary_unary("/myeye.v1.DetectionService/Submit")
        await refused(unreadable(b"\xff" * 1000, metadata=ann), EXHAUSTED, "RATE_LIMITED")
        await refused(unreadable(b"\xff" * 1000, metadata=bob), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_a_session_is_a_watch_and_each_of_its_calls_a_call(start, refused):
    async with start(fair_use=quota("watches=1,rate=0.001,burst=3,jobs=1")) as front:
        session = front.stub.Session()
        asks = [pb.SessionCall(correlation_id=number) for number in (1, 2)]
        for ask in asks:
            ask.submit.inputs.append(Input(name="p", content=b"picture"))
        await session.write(pb.SessionRequest(calls=asks))
        answers = {}
        async with asyncio.timeout(LIMIT_S):
            while len(answers) < 2:
                answers.update({answer.correlation_id: answer for answer in (await session.read()).answers})
        assert sorted(reason(answer.error) for answer in answers.values() if answer.HasField("error")) == ["QUOTA_JOBS"]
        await session.write(pb.SessionRequest(calls=asks[:1]))
        async with asyncio.timeout(LIMIT_S):
            while not (told := (await session.read()).answers):
                pass
        assert reason(told[0].error) == "RATE_LIMITED"
        session.cancel()


def reason(status) -> str:
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.reason


async def test_sessions_at_once_are_limited_as_watches_are(start, refused):
    async with start(fair_use=quota("watches=1")) as front:
        session = front.stub.Session()
        await session.write(pb.SessionRequest())
        await session.read()
        second = front.stub.Session()
        await second.write(pb.SessionRequest())
        await refused(second.read(), EXHAUSTED, "TOO_MANY_WATCHES")
        session.cancel()
