"""List: filters and pages."""

from __future__ import annotations

import grpc
import pytest

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
