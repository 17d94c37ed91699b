"""RetryMany: by ids or by filter, page after page, and no job more than once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import grpc
import pytest
from google.rpc import error_details_pb2

from dispatch.blobs import open_blobs
from gateway.limits import Limits
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.job_pb2 import (
    STATE_CANCELLED,
    STATE_FAILED,
    STATE_PARTIALLY_SUCCEEDED,
    STATE_QUEUED,
    STATE_RUNNING,
    STATE_SUCCEEDED,
)


async def failed(front, hand, count=1, **fields):
    """Make jobs that fail, and give their ids, the newest first."""
    jobs = [await front.submit(**fields) for _ in range(count)]
    left = {job.id for job in jobs}
    async with hand.taking() as deliveries:
        while left:
            delivery = await anext(deliveries)
            task, run = await hand.start(delivery)
            if task.job_id in left:  # the tasks of jobs that were cancelled come too
                await hand.fail(task, run)
                left.remove(task.job_id)
            await delivery.ack()
    for job in jobs:
        assert (await front.stub.Wait(pb.WaitRequest(job_id=job.id))).job.state == STATE_FAILED
    return [job.id for job in reversed(jobs)]


async def cancelled(front, **fields):
    job = await front.submit(**fields)
    await front.stub.Cancel(pb.CancelRequest(job_id=job.id))
    return job.id


async def retry_many(front, **fields):
    return await front.stub.RetryMany(pb.RetryManyRequest(**fields))


async def all_jobs(front):
    return (await front.stub.List(pb.ListRequest())).jobs


def reason(outcome):
    info = error_details_pb2.ErrorInfo()
    assert outcome.error.details[0].Unpack(info)
    return info.reason


def metadata(outcome):
    info = error_details_pb2.ErrorInfo()
    assert outcome.error.details[0].Unpack(info)
    return dict(info.metadata)


async def test_each_job_that_is_named_has_its_outcome_in_order(front, hand):
    good = await front.submit()
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries, "cat")
    await front.stub.Wait(pb.WaitRequest(job_id=good.id))
    lost = await cancelled(front)
    await open_blobs(front.config.blobs).delete_prefix(f"jobs/{lost}/")
    deleted = await cancelled(front)
    await front.stub.Delete(pb.DeleteRequest(job_id=deleted))
    (dead,) = await failed(front, hand)
    open_ = await front.submit()
    names = [dead, good.id, open_.id, lost, deleted, "nonsense"]
    outcomes = (await retry_many(front, job_ids=names)).outcomes
    assert [outcome.job_id for outcome in outcomes] == names
    assert [reason(outcome) for outcome in outcomes[1:]] == [
        *("JOB_SUCCEEDED", "JOB_NOT_FINISHED", "INPUT_MISSING", "JOB_PURGED", "JOB_NOT_FOUND")
    ]
    again = (await front.stub.Get(pb.GetRequest(job_id=outcomes[0].new_job_id))).job
    assert (again.state, again.retry_of) == (STATE_QUEUED, dead)
    assert len(await all_jobs(front)) == 5


async def test_a_filter_retries_what_failed_and_nothing_else(front, hand):
    await front.submit(labels={"album": "1"})
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries, "cat")
    await cancelled(front)
    other, *_ = await failed(front, hand, labels={"album": "2"})
    dead = await failed(front, hand, 2, labels={"album": "1"})
    answer = await retry_many(front, filter={"labels": ["album=1"], "reasons": ["IMAGE_INVALID", "WORKER_LOST"]})
    assert [outcome.job_id for outcome in answer.outcomes] == dead
    assert not answer.next_page_token
    assert (await retry_many(front, filter={"reasons": ["WORKER_LOST"]})).outcomes == []
    assert [outcome.job_id for outcome in (await retry_many(front, filter={})).outcomes] == [other]


async def test_a_job_of_which_some_items_succeeded_is_retried_and_a_cancelled_one_if_asked_for(front, hand):
    job = await front.submit(2)
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries, "cat")
        delivery = await anext(deliveries)
        await hand.fail(*await hand.start(delivery))
        await delivery.ack()
    assert (await front.stub.Wait(pb.WaitRequest(job_id=job.id))).job.state == STATE_PARTIALLY_SUCCEEDED
    unwanted = await cancelled(front)
    outcomes = (await retry_many(front, filter={})).outcomes
    assert [outcome.job_id for outcome in outcomes] == [job.id]
    again = (await front.stub.Get(pb.GetRequest(job_id=outcomes[0].new_job_id))).job
    assert [item.name for item in again.items] == ["p1"]
    outcomes = (await retry_many(front, filter={"states": [STATE_CANCELLED]})).outcomes
    assert [outcome.job_id for outcome in outcomes] == [unwanted]


async def test_pages_cover_all_jobs_once(front, hand):
    dead = await failed(front, hand, 5)
    seen, token = [], ""
    while True:
        answer = await retry_many(front, filter={}, page_size=2, page_token=token, request_id="r")
        seen += [outcome.job_id for outcome in answer.outcomes]
        if not (token := answer.next_page_token):
            break
    assert seen == dead
    assert len(await all_jobs(front)) == 10


async def test_a_call_that_is_repeated_answers_as_the_first_one_and_makes_nothing(front, hand):
    dead = await failed(front, hand, 3)
    first = await retry_many(front, job_ids=dead, request_id="again")
    assert not any(outcome.replayed for outcome in first.outcomes)
    for fields in ({"job_ids": dead}, {"filter": {}}):
        answer = await retry_many(front, request_id="again", **fields)
        assert all(outcome.replayed for outcome in answer.outcomes)
        assert {o.job_id: o.new_job_id for o in answer.outcomes} == {o.job_id: o.new_job_id for o in first.outcomes}
    assert len(await all_jobs(front)) == 6


async def test_a_call_by_filter_that_is_repeated_does_not_retry_what_it_has_made_itself(front, hand):
    (dead,) = await failed(front, hand)
    (first,) = (await retry_many(front, filter={}, request_id="again")).outcomes
    async with hand.taking() as deliveries:
        delivery = await anext(deliveries)
        await hand.fail(*await hand.start(delivery))
        await delivery.ack()
    await front.stub.Wait(pb.WaitRequest(job_id=first.new_job_id))
    (again,) = (await retry_many(front, filter={}, request_id="again")).outcomes
    assert (again.job_id, again.new_job_id, again.replayed) == (dead, first.new_job_id, True)


async def test_a_job_that_was_retried_is_left_to_its_newest_retry(front, hand):
    (dead,) = await failed(front, hand)
    (outcome,) = (await retry_many(front, job_ids=[dead])).outcomes
    first = outcome.new_job_id
    for request_id in ("", "other"):
        (outcome,) = (await retry_many(front, job_ids=[dead], request_id=request_id)).outcomes
        assert (reason(outcome), metadata(outcome)["job_id"]) == ("JOB_RETRIED", first)
        assert (await retry_many(front, filter={}, request_id=request_id)).outcomes == []
    async with hand.taking() as deliveries:
        delivery = await anext(deliveries)
        await hand.fail(*await hand.start(delivery))
        await delivery.ack()
    await front.stub.Wait(pb.WaitRequest(job_id=first))
    answer = await retry_many(front, filter={})
    assert [outcome.job_id for outcome in answer.outcomes] == [first], "what is left to do is the retry's"
    (outcome,) = (await retry_many(front, job_ids=[dead])).outcomes
    assert metadata(outcome)["job_id"] == answer.outcomes[0].new_job_id
    assert metadata(outcome)["job_id"] != first


async def test_what_retry_has_retried_counts_and_counts_no_more_when_that_is_deleted(front):
    old = await cancelled(front)
    new = (await front.stub.Retry(pb.RetryRequest(job_id=old))).job.id
    (outcome,) = (await retry_many(front, job_ids=[old])).outcomes
    assert (reason(outcome), metadata(outcome)["job_id"]) == ("JOB_RETRIED", new)
    await front.stub.Cancel(pb.CancelRequest(job_id=new))
    await front.stub.Delete(pb.DeleteRequest(job_id=new))
    (outcome,) = (await retry_many(front, job_ids=[old])).outcomes
    assert outcome.new_job_id
    await front.stub.Cancel(pb.CancelRequest(job_id=outcome.new_job_id))
    await front.stub.Delete(pb.DeleteRequest(job_id=outcome.new_job_id))
    (once_more,) = (await retry_many(front, job_ids=[old])).outcomes
    assert (await front.stub.Get(pb.GetRequest(job_id=once_more.new_job_id))).job.state == STATE_QUEUED


async def test_retry_by_itself_makes_another_job_of_what_was_made_by_retry_many(front):
    old = await cancelled(front)
    (outcome,) = (await retry_many(front, job_ids=[old], request_id="r")).outcomes
    await front.stub.Cancel(pb.CancelRequest(job_id=outcome.new_job_id))
    new = (await front.stub.Retry(pb.RetryRequest(job_id=outcome.new_job_id))).job
    assert new.retry_of == outcome.new_job_id
    (replayed,) = (await retry_many(front, job_ids=[old], request_id="r")).outcomes
    assert (replayed.new_job_id, replayed.replayed) == (outcome.new_job_id, True)


async def test_calls_that_cross_on_two_gateways_make_one_job_of_each(start, hand):
    async with AsyncExitStack() as stack:
        fronts = [await stack.enter_async_context(start()) for _ in range(2)]
        dead = await failed(fronts[0], hand, 5)
        calls = [retry_many(front, job_ids=dead, request_id=f"r{n}") for n, front in enumerate([*fronts, *fronts])]
        answers = await asyncio.gather(*calls)
        made = [outcome for answer in answers for outcome in answer.outcomes if outcome.new_job_id]
        refused = [outcome for answer in answers for outcome in answer.outcomes if not outcome.new_job_id]
        assert sorted(outcome.job_id for outcome in made) == sorted(dead)
        assert {reason(outcome) for outcome in refused} == {"JOB_RETRIED"}
        by_old = {outcome.job_id: outcome.new_job_id for outcome in made}
        assert all(metadata(outcome)["job_id"] == by_old[outcome.job_id] for outcome in refused)
        for front in fronts:
            assert sorted(job.retry_of for job in await all_jobs(front) if job.retry_of) == sorted(dead)


async def test_what_another_gateway_has_retried_a_moment_ago_counts(start):
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(start()) for _ in range(2)]
        for _ in range(10):
            old = await cancelled(one)
            new = (await one.stub.Retry(pb.RetryRequest(job_id=old))).job.id
            (outcome,) = (await retry_many(other, job_ids=[old])).outcomes
            assert (reason(outcome), metadata(outcome)["job_id"]) == ("JOB_RETRIED", new)


async def test_after_a_restart_a_repeated_call_still_makes_nothing(start):
    async with start() as front:
        old = await cancelled(front)
        (first,) = (await retry_many(front, job_ids=[old], request_id="r")).outcomes
    async with start() as front:
        (again,) = (await retry_many(front, job_ids=[old], request_id="r")).outcomes
    assert (again.new_job_id, again.replayed) == (first.new_job_id, True)


async def test_a_full_queue_is_told_for_the_job_and_the_rest_can_be_done_later(start, hand):
    async with start(max_queue_length=1) as front:
        dead = [*await failed(front, hand), *await failed(front, hand)][::-1]
        answer = await retry_many(front, filter={}, request_id="r")
        made = [outcome for outcome in answer.outcomes if outcome.new_job_id]
        full = [outcome for outcome in answer.outcomes if not outcome.new_job_id]
        assert [reason(outcome) for outcome in full] == ["QUEUE_FULL"]
        assert {detail.TypeName() for detail in full[0].error.details} >= {"google.rpc.RetryInfo"}
        async with hand.taking() as deliveries:
            await hand.finish_next(deliveries)
        outcomes = (await retry_many(front, filter={}, request_id="r")).outcomes
        assert [outcome.job_id for outcome in outcomes] == dead
        assert {outcome.job_id for outcome in outcomes if outcome.replayed} == {outcome.job_id for outcome in made}
        assert all(outcome.new_job_id for outcome in outcomes)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "job_ids"),
        ({"job_ids": ["a"], "filter": {}}, "job_ids"),
        ({"job_ids": ["a", "b", "a"]}, "job_ids[2]"),
        ({"job_ids": ["a"], "page_token": "AAAA"}, "page_token"),
        ({"filter": {}, "page_token": "nonsense"}, "page_token"),
        ({"filter": {}, "page_size": -1}, "page_size"),
        ({"filter": {"states": [STATE_FAILED, STATE_RUNNING]}}, "filter.states[1]"),
        ({"filter": {"states": [STATE_SUCCEEDED]}}, "filter.states[0]"),
        ({"filter": {"labels": ["=v"]}}, "filter.labels[0]"),
        ({"filter": {"reasons": ["WORKER_LOST", "worker lost"]}}, "filter.reasons[1]"),
    ],
)
async def test_bad_requests_are_named(front, refused, fields, field):
    details = await refused(retry_many(front, **fields), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert details["BadRequest"].field_violations[0].field == field


async def test_limits_are_told_and_held_on_both_sides(start, refused):
    async with start(Limits(max_retries=2)) as front:
        old = [await cancelled(front) for _ in range(3)]
        limits = (await front.stub.GetCapabilities(pb.GetCapabilitiesRequest())).limits
        assert (limits.max_retries, limits.max_reasons, limits.max_listed_items) == (2, 16, 10)
        await refused(retry_many(front, job_ids=old), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        too_long = "r" * (limits.max_request_id_length + 1)
        call = retry_many(front, job_ids=old[:1], request_id=too_long)
        await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        answer = await retry_many(front, job_ids=old[:2], request_id=too_long[1:])
        assert all(outcome.new_job_id for outcome in answer.outcomes)


async def test_a_token_of_another_filter_is_refused(front, hand, refused):
    await failed(front, hand, 2)
    token = (await retry_many(front, filter={}, page_size=1)).next_page_token
    for other in ({"filter": {"model": "other"}}, {"filter": {}, "request_id": "other"}):
        call = retry_many(front, page_token=token, **other)
        details = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert details["BadRequest"].field_violations[0].description == "belongs to other filters"


async def test_a_call_takes_fewer_jobs_when_they_have_many_items(front):
    old = [await cancelled(front, inputs=[{"name": "p", "content": b"p"}] * 100) for _ in range(6)]
    answer = await retry_many(front, filter={"states": [STATE_CANCELLED]})
    assert [outcome.job_id for outcome in answer.outcomes] == old[:0:-1]
    answer = await retry_many(front, filter={"states": [STATE_CANCELLED]}, page_token=answer.next_page_token)
    assert ([outcome.job_id for outcome in answer.outcomes], answer.next_page_token) == (old[:1], "")
