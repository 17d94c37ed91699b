"""List: filters and pages."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from dispatch.events import Failed, Failure
from gateway.limits import Limits
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.job_pb2 import STATE_CANCELLED, STATE_QUEUED


async def ids(front, **fields):
    return [job.id for job in (await front.stub.List(pb.ListRequest(**fields))).jobs]


async def test_jobs_come_newest_first_without_items(front):
    jobs = [await front.submit() for _ in range(3)]
    listed = (await front.stub.List(pb.ListRequest())).jobs
    assert [job.id for job in listed] == [job.id for job in reversed(jobs)]
    assert not any(job.items for job in listed)


async def test_pages_cover_all_jobs_once_even_when_new_ones_come_in_between(front):
    jobs = [(await front.submit()).id for _ in range(5)]
    seen, token = [], ""
    while True:
        answer = await front.stub.List(pb.ListRequest(page_size=2, page_token=token))
        assert len(answer.jobs) <= 2
        seen += [job.id for job in answer.jobs]
        await front.submit()
        token = answer.next_page_token
        if not token:
            break
    assert seen == jobs[::-1]


async def test_a_last_page_that_is_just_full_has_no_token(front):
    for _ in range(2):
        await front.submit()
    assert not (await front.stub.List(pb.ListRequest(page_size=2))).next_page_token


async def test_filters_by_state_model_and_label(front):
    plain = await front.submit()
    labelled = await front.submit(labels={"album": "42", "who": "me"})
    cancelled = await front.submit(labels={"album": "7"})
    await front.stub.Cancel(pb.CancelRequest(job_id=cancelled.id))
    assert await ids(front, states=[STATE_QUEUED]) == [labelled.id, plain.id]
    assert await ids(front, states=[STATE_CANCELLED, STATE_QUEUED]) == [cancelled.id, labelled.id, plain.id]
    assert await ids(front, labels=["album"]) == [cancelled.id, labelled.id]
    assert await ids(front, labels=["album=42", "who"]) == [labelled.id]
    assert await ids(front, labels=["album="]) == []
    assert await ids(front, model="efficientdet-lite0") == [cancelled.id, labelled.id, plain.id]
    assert await ids(front, model="other") == []


@pytest.mark.parametrize("token", ["nonsense", "AAAA", "é", "=" * 56, "A" * 56])
async def test_a_token_that_is_none_is_refused(front, refused, token):
    call = front.stub.List(pb.ListRequest(page_token=token))
    details = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert details["BadRequest"].field_violations[0].field == "page_token"


async def test_a_token_of_other_filters_is_refused(front, refused):
    for _ in range(2):
        await front.submit()
    token = (await front.stub.List(pb.ListRequest(page_size=1))).next_page_token
    call = front.stub.List(pb.ListRequest(page_size=1, page_token=token, model="other"))
    details = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert details["BadRequest"].field_violations[0].description == "belongs to other filters"


@pytest.mark.parametrize(("fields", "field"), [({"page_size": -1}, "page_size"), ({"labels": ["ok", "=v"]}, "labels[1]")])
async def test_bad_filters_are_named(front, refused, fields, field):
    details = await refused(front.stub.List(pb.ListRequest(**fields)), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert details["BadRequest"].field_violations[0].field == field


async def ended(front, hand, *reasons, **fields):
    """Make a job with an item for each reason; it fails for it, or succeeds where there is none."""
    job = await front.submit(len(reasons), **fields)
    async with hand.taking() as deliveries:
        for _ in reasons:
            delivery = await anext(deliveries)
            task, run = await hand.start(delivery)
            if reason := reasons[task.item]:
                failure = Failure(reason, f"{reason} of item {task.item}")
                await hand.tell(Failed, task, item=task.item, run_id=run, failure=failure, retryable=False)
            else:
                await hand.succeed(task, run, "cat")
            await delivery.ack()
    await front.stub.Wait(pb.WaitRequest(job_id=job.id))
    return job.id


async def test_filters_by_the_reasons_of_failed_items(front, hand):
    mixed = await ended(front, hand, "", "IMAGE_INVALID", "WORKER_LOST")
    lost = await ended(front, hand, "WORKER_LOST")
    await ended(front, hand, "")
    assert await ids(front, reasons=["WORKER_LOST"]) == [lost, mixed]
    assert await ids(front, reasons=["IMAGE_INVALID", "DETECTOR_CRASHED"]) == [mixed]
    assert await ids(front, reasons=["DETECTOR_CRASHED"]) == []
    gone = (await front.submit()).id
    await front.stub.Cancel(pb.CancelRequest(job_id=gone))
    assert await ids(front, reasons=["CANCELLED"]) == [gone]


async def test_an_item_that_waits_for_another_attempt_has_not_failed(front, hand):
    job = await front.submit()
    async with hand.taking() as deliveries:
        task, run = await hand.start(await anext(deliveries))
        await hand.fail(task, run, retryable=True)
        assert await ids(front, reasons=["IMAGE_INVALID"]) == []
    assert await ids(front) == [job.id]


async def test_failed_items_tell_cause_attempts_and_last_worker(front, hand):
    mixed = await ended(front, hand, "", "IMAGE_INVALID", "WORKER_LOST")
    (job,) = (await front.stub.List(pb.ListRequest(with_failed_items=True))).jobs
    whole = (await front.stub.Get(pb.GetRequest(job_id=mixed))).job
    assert list(job.items) == list(whole.items)[1:]
    assert [(item.index, item.name, item.attempt, item.worker) for item in job.items] == [
        (1, "p1", 1, "hand"),
        (2, "p2", 1, "hand"),
    ]
    assert [item.error.message for item in job.items] == ["IMAGE_INVALID of item 1", "WORKER_LOST of item 2"]
    (job,) = (await front.stub.List(pb.ListRequest(with_failed_items=True, reasons=["WORKER_LOST"]))).jobs
    assert [item.index for item in job.items] == [2], "those that the filter is about"


async def test_of_many_failed_items_the_first_are_given_and_all_are_counted(start, hand):
    async with start(Limits(max_listed_items=2)) as front:
        await ended(front, hand, *["WORKER_LOST"] * 3)
        (job,) = (await front.stub.List(pb.ListRequest(with_failed_items=True))).jobs
        assert ([item.index for item in job.items], job.progress.items_failed) == ([0, 1], 3)


async def test_filters_by_when_a_job_was_accepted_and_when_it_ended(front, hand):
    old = (await front.submit()).id
    await front.stub.Cancel(pb.CancelRequest(job_id=old))
    new = (await front.submit()).id
    jobs = {job.id: job for job in (await front.stub.List(pb.ListRequest())).jobs}
    created, ended_at = jobs[new].create_time, jobs[old].end_time
    assert await ids(front, create_time_from=created) == [new]
    assert await ids(front, create_time_until=created) == [old]
    assert await ids(front, end_time_from=ended_at) == [old], "what has not ended has no end"
    assert await ids(front, end_time_until=ended_at) == []
    assert await ids(front, create_time_from=jobs[old].create_time, create_time_until=created) == [old]


async def test_jobs_that_were_retried_can_be_left_out(front):
    old = (await front.submit()).id
    await front.stub.Cancel(pb.CancelRequest(job_id=old))
    new = (await front.stub.Retry(pb.RetryRequest(job_id=old))).job.id
    assert await ids(front, without_retry=True) == [new]
    await front.stub.Cancel(pb.CancelRequest(job_id=new))
    await front.stub.Delete(pb.DeleteRequest(job_id=new))
    assert await ids(front, without_retry=True) == [old]


@pytest.mark.parametrize(
    "other", [{"reasons": ["WORKER_LOST"]}, {"without_retry": True}, {"create_time_from": Timestamp(seconds=1)}]
)
async def test_a_token_belongs_to_all_filters(front, refused, other):
    for _ in range(2):
        await front.submit()
    token = (await front.stub.List(pb.ListRequest(page_size=1))).next_page_token
    call = front.stub.List(pb.ListRequest(page_size=1, page_token=token, **other))
    await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_the_number_of_reasons_has_a_limit(front, refused):
    most = Limits().max_reasons
    assert await ids(front, reasons=["WORKER_LOST"] * most) == []
    over = front.stub.List(pb.ListRequest(reasons=["WORKER_LOST"] * (most + 1)))
    await refused(over, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_all_that_is_wrong_with_a_filter_is_told_at_once(front, refused):
    moment = Timestamp(seconds=1)
    request = pb.ListRequest(labels=["=v"], reasons=["lost"], end_time_from=moment, end_time_until=moment)
    details = await refused(front.stub.List(request), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert [violation.field for violation in details["BadRequest"].field_violations] == [
        "labels[0]",
        "reasons[0]",
        "end_time_until",
    ]
