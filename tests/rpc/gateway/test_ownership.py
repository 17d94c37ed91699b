"""Jobs and uploads belong to who made them: for everybody else they are not there, whatever is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest

from dispatch.ports import Lane
from gateway.identity.options import IdentityOptions
from myeye.v1 import blob_service_pb2 as blob_pb
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1 import upload_pb2
from myeye.v1.job_pb2 import Input, Job, State
from tests.rpc.gateway.callers import Metadata, Tokens, bearing

LIMIT_S = 20
UPLOAD_ID = "an-upload-of-somebody"
UNKNOWN = "a" * 26


@pytest.fixture
def tokens(tmp_path) -> Tokens:
    return Tokens(tmp_path / "tokens")


@pytest.fixture
def ann(tokens) -> Metadata:
    return bearing(tokens.add("ann"))


@pytest.fixture
def bob(tokens) -> Metadata:
    return bearing(tokens.add("bob"))


@pytest.fixture
def admin(tokens) -> Metadata:
    return bearing(tokens.add("root", admin=True))


@pytest.fixture
async def front(start, tokens, ann, bob, admin) -> AsyncIterator[Any]:
    async with start(identity=IdentityOptions(tokens=tokens.path)) as front:
        yield front


async def submit(front: Any, who: Metadata, **fields: Any) -> Job:
    inputs = fields.pop("inputs", [Input(name="p", content=b"picture")])
    return (await front.stub.Submit(pb.SubmitRequest(inputs=inputs, **fields), metadata=who)).job


async def fail(hand: Any, deliveries: AsyncIterator[Any]) -> None:
    delivery = await anext(deliveries)
    await hand.fail(*await hand.start(delivery))
    await delivery.ack()


async def first(call: Any) -> Any:
    return await anext(aiter(call))


CALLS: dict[str, Callable[[Any, str, Metadata], Any]] = {
    "Get": lambda f, job, who: f.stub.Get(pb.GetRequest(job_id=job), metadata=who),
    "Watch": lambda f, job, who: first(f.stub.Watch(pb.WatchRequest(job_id=job), metadata=who)),
    "Watch after": lambda f, job, who: first(f.stub.Watch(pb.WatchRequest(job_id=job, after_sequence=9), metadata=who)),
    "WatchMany": lambda f, job, who: first(f.stub.WatchMany(pb.WatchManyRequest(targets=[{"job_id": job}]), metadata=who)),
    "WatchMany after": lambda f, job, who: first(
        f.stub.WatchMany(pb.WatchManyRequest(targets=[{"job_id": job, "after_sequence": 9}]), metadata=who)
    ),
    "Wait": lambda f, job, who: f.stub.Wait(pb.WaitRequest(job_id=job), metadata=who),
    "Cancel": lambda f, job, who: f.stub.Cancel(pb.CancelRequest(job_id=job), metadata=who),
    "Retry": lambda f, job, who: f.stub.Retry(pb.RetryRequest(job_id=job), metadata=who),
    "Delete": lambda f, job, who: f.stub.Delete(pb.DeleteRequest(job_id=job), metadata=who),
    "DownloadInput": lambda f, job, who: first(f.blob_stub.DownloadInput(blob_pb.DownloadInputRequest(job_id=job), metadata=who)),
    "DownloadAnnotated": lambda f, job, who: first(
        f.blob_stub.DownloadAnnotated(blob_pb.DownloadAnnotatedRequest(job_id=job), metadata=who)
    ),
}


async def refusal(call: Any) -> tuple[Any, ...]:
    """Give all that a refused caller is told."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async with asyncio.timeout(LIMIT_S):
            await call
    error = caught.value
    return error.code(), error.details(), tuple(error.trailing_metadata() or ())


@pytest.mark.parametrize("method", CALLS)
async def test_anothers_job_is_answered_to_the_last_byte_as_one_that_is_not_there(front, ann, bob, method):
    job = await submit(front, ann)
    anothers = await refusal(CALLS[method](front, job.id, bob))
    unknown = await refusal(CALLS[method](front, UNKNOWN, bob))
    assert anothers[0] is grpc.StatusCode.NOT_FOUND

    def masked(text: Any) -> str:
        return repr(text).replace(job.id, UNKNOWN)

    assert masked(anothers) == masked(unknown)
    assert (await front.stub.Get(pb.GetRequest(job_id=job.id), metadata=ann)).job.state == State.STATE_QUEUED, "it is untouched"


async def test_a_session_answers_for_anothers_job_as_for_one_that_is_not_there(front, ann, bob):
    job = await submit(front, ann)
    session = front.stub.Session(metadata=bob)
    calls = [
        pb.SessionCall(correlation_id=number, **{kind: {"job_id": job_id}})
        for number, (kind, job_id) in enumerate((kind, job_id) for kind in ("follow", "cancel") for job_id in (job.id, UNKNOWN))
    ]
    await session.write(pb.SessionRequest(calls=calls))
    await session.done_writing()
    async with asyncio.timeout(LIMIT_S):
        told = {answer.correlation_id: answer.error for message in [m async for m in session] for answer in message.answers}
    assert [repr(told[n]).replace(job.id, UNKNOWN) for n in (0, 2)] == [repr(told[n]) for n in (1, 3)]
    assert all("JOB_NOT_FOUND" in repr(error) for error in told.values())
    assert (await front.stub.Get(pb.GetRequest(job_id=job.id), metadata=ann)).job.state == State.STATE_QUEUED, "it is untouched"


async def test_anothers_removed_job_is_not_told_apart_either(front, ann, bob, hand):
    job = await submit(front, ann)
    await front.stub.Cancel(pb.CancelRequest(job_id=job.id), metadata=ann)
    await front.stub.Delete(pb.DeleteRequest(job_id=job.id), metadata=ann)
    assert "JOB_PURGED" in repr(await refusal(CALLS["Get"](front, job.id, ann)))
    assert "JOB_NOT_FOUND" in repr(await refusal(CALLS["Get"](front, job.id, bob)))


async def test_retry_many_tells_of_anothers_job_as_of_one_that_is_not_there(front, ann, bob, hand):
    job = await submit(front, ann)
    async with hand.taking() as deliveries:
        await fail(hand, deliveries)
    await front.stub.Wait(pb.WaitRequest(job_id=job.id), metadata=ann)

    async def outcome(job_id: str) -> str:
        answer = await front.stub.RetryMany(pb.RetryManyRequest(job_ids=[job_id]), metadata=bob)
        return repr(answer).replace(job_id, "")

    assert await outcome(job.id) == await outcome(UNKNOWN)
    assert not (await front.stub.RetryMany(pb.RetryManyRequest(filter={}), metadata=bob)).outcomes, "no filter finds it"


async def test_each_lists_and_watches_their_own(front, ann, bob):
    job = await submit(front, ann, labels={"shelf": "3"})
    mine = await submit(front, bob, labels={"shelf": "3"})

    async def listed(who: Metadata, **wanted: Any) -> list[str]:
        return [job.id for job in (await front.stub.List(pb.ListRequest(**wanted), metadata=who)).jobs]

    assert await listed(ann) == [job.id]
    assert await listed(bob) == [mine.id]
    assert await listed(bob, principal="ann") == []
    call = front.stub.WatchMany(pb.WatchManyRequest(labels=["shelf"]), metadata=bob)
    assert (await first(call)).job_id == mine.id
    await submit(front, ann, labels={"shelf": "3"})
    later = await submit(front, bob, labels={"shelf": "3"})
    async with asyncio.timeout(LIMIT_S):
        told = [message.job_id async for message in _until(call, later.id)]
    assert set(told) <= {mine.id, later.id, ""}, "of jobs that come later too"


async def _until(call: Any, job_id: str) -> AsyncIterator[Any]:
    async for message in call:
        yield message
        if message.job_id == job_id:
            return


async def test_a_page_token_is_no_good_for_another(front, ann, bob):
    for _ in range(2):
        await submit(front, ann)
    token = (await front.stub.List(pb.ListRequest(page_size=1), metadata=ann)).next_page_token
    assert "belongs to other filters" in repr(await refusal(front.stub.List(pb.ListRequest(page_token=token), metadata=bob)))


async def test_the_same_request_id_makes_a_job_for_each(front, ann, bob):
    assert (await submit(front, ann, request_id="r")).id != (await submit(front, bob, request_id="r")).id


async def test_anothers_upload_is_not_there_and_stays_as_it_is(front, ann, bob):
    """The id is often a picture's SHA-256: who has the same picture, or only its hash, learns nothing from it."""

    async def upload(who: Metadata, **fields: Any) -> upload_pb2.Upload:
        request = blob_pb.UploadImageRequest(upload_id=UPLOAD_ID, size_bytes=7, **fields)
        return (await front.blob_stub.UploadImage(request, metadata=who)).upload

    assert (await upload(ann, piece={"data": b"picture"})).complete
    assert "UPLOAD_NOT_FOUND" in repr(
        await refusal(front.blob_stub.GetUpload(blob_pb.GetUploadRequest(upload_id=UPLOAD_ID), metadata=bob))
    )
    assert "UPLOAD_NOT_FOUND" in repr(await refusal(submit(front, bob, inputs=[Input(name="p", blob=UPLOAD_ID)])))
    assert (await upload(bob, piece={"data": b"pic"})).received_bytes == 3, "bob begins at the beginning"
    assert "UPLOAD_OFFSET" in repr(await refusal(upload(bob, offset=5, piece={"data": b"re"})))
    assert (await submit(front, ann, inputs=[Input(name="p", blob=UPLOAD_ID)])).id


async def test_a_job_tells_whose_it_is(front, ann):
    assert (await submit(front, ann)).principal == "ann"


async def test_an_admin_sees_the_jobs_of_all_and_may_act_on_them(front, ann, bob, admin):
    first_job, second_job = await submit(front, ann), await submit(front, bob)

    async def listed(**wanted: Any) -> list[tuple[str, str]]:
        return [(job.id, job.principal) for job in (await front.stub.List(pb.ListRequest(**wanted), metadata=admin)).jobs]

    assert await listed() == [(second_job.id, "bob"), (first_job.id, "ann")]
    assert await listed(principal="ann") == [(first_job.id, "ann")]
    token = (await front.stub.List(pb.ListRequest(page_size=1), metadata=admin)).next_page_token
    assert await listed(page_size=1, page_token=token) == [(first_job.id, "ann")]
    cancelled = (await front.stub.Cancel(pb.CancelRequest(job_id=first_job.id), metadata=admin)).job
    assert cancelled.state == State.STATE_CANCELLED
    retried = (await front.stub.Retry(pb.RetryRequest(job_id=first_job.id), metadata=admin)).job
    assert retried.principal == "ann", "it is done again for whom it was done"
    assert (await front.stub.Get(pb.GetRequest(job_id=retried.id), metadata=ann)).job.id == retried.id
    await front.stub.Delete(pb.DeleteRequest(job_id=first_job.id), metadata=admin)
    assert "JOB_PURGED" in repr(await refusal(CALLS["Get"](front, first_job.id, admin)))


async def test_an_admin_hears_of_coming_jobs_of_all(front, ann, bob, admin):
    call = front.stub.WatchMany(pb.WatchManyRequest(labels=["shelf"]), metadata=admin)
    await first(call)
    jobs = {(await submit(front, who, labels={"shelf": "3"})).id for who in (ann, bob)}
    async with asyncio.timeout(LIMIT_S):
        async for message in call:
            jobs.discard(message.job_id)
            if not jobs:
                break


async def test_a_job_is_retried_once_whether_its_owner_or_an_admin_asks(front, ann, admin, hand):
    job = await submit(front, ann, priority=Lane.NORMAL.value)
    async with hand.taking() as deliveries:
        await fail(hand, deliveries)
    await front.stub.Wait(pb.WaitRequest(job_id=job.id), metadata=ann)
    request = pb.RetryManyRequest(job_ids=[job.id])
    made, refused = await asyncio.gather(*(front.stub.RetryMany(request, metadata=who) for who in (ann, admin)))
    ids = [outcome.new_job_id for answer in (made, refused) for outcome in answer.outcomes if outcome.new_job_id]
    assert len(ids) == 1
