"""WatchMany: as Watch for each job, in one stream."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack

import grpc
import pytest

from gateway.limits import Limits
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from myeye.v1.job_pb2 import STATE_SUCCEEDED


def targets(*jobs, after=None):
    return pb.WatchManyRequest(targets=[pb.WatchTarget(job_id=job.id, after_sequence=after) for job in jobs])


async def stories(call):
    """Read to the end and give each job's events."""
    told = defaultdict(list)
    while (message := await call.read()) is not grpc.aio.EOF:
        if message.HasField("event"):
            told[message.job_id].append(message.event)
    return told


async def read(call, *kinds):
    """Read the next message of one of these kinds."""
    while True:
        message = await call.read()
        assert message is not grpc.aio.EOF
        if message.WhichOneof("message") in kinds:
            return message


async def finish(hand, count=1):
    async with hand.taking() as deliveries:
        for _ in range(count):
            await hand.finish_next(deliveries, "cat")


async def test_every_jobs_history_is_whole_and_the_stream_ends_with_the_last_job(front, hand):
    jobs = [await front.submit() for _ in range(3)]
    call = front.stub.WatchMany(targets(*jobs, after=0))
    watching = asyncio.ensure_future(stories(call))
    await finish(hand, 3)
    told = await watching
    assert await call.code() is grpc.StatusCode.OK
    assert set(told) == {job.id for job in jobs}
    for events in told.values():
        assert [event.sequence for event in events] == [1, 2, 3, 4]
        assert events[-1].job_finished.state == STATE_SUCCEEDED


async def test_an_event_has_the_bytes_that_watch_gives(front, hand):
    job = await front.submit()
    await finish(hand)
    alone = [event.SerializeToString(deterministic=True) for event in await front.events(job.id)]
    told = await stories(front.stub.WatchMany(targets(job, after=0)))
    assert [event.SerializeToString(deterministic=True) for event in told[job.id]] == alone


async def test_each_job_has_a_cursor_of_its_own(front, hand):
    jobs = [await front.submit() for _ in range(3)]
    await finish(hand, 3)
    cursors = [0, 2, 4]
    wanted = [pb.WatchTarget(job_id=job.id, after_sequence=after) for job, after in zip(jobs, cursors, strict=True)]
    told = await stories(front.stub.WatchMany(pb.WatchManyRequest(targets=wanted)))
    assert [[event.sequence for event in told[job.id]] for job in jobs] == [[1, 2, 3, 4], [3, 4], []]


async def test_without_a_cursor_a_job_begins_with_its_snapshot(front, hand):
    ended, waiting = await front.submit(), await front.submit()
    await finish(hand)
    call = front.stub.WatchMany(targets(ended, waiting))
    first, second = [await read(call, "snapshot") for _ in range(2)]
    assert (first.job_id, first.snapshot.state, first.snapshot.last_sequence) == (ended.id, STATE_SUCCEEDED, 4)
    assert (second.job_id, second.snapshot.last_sequence) == (waiting.id, 1)
    await finish(hand)
    told = await stories(call)
    assert {job_id: [event.sequence for event in events] for job_id, events in told.items()} == {waiting.id: [2, 3, 4]}


async def test_labels_choose_the_jobs_that_are_there_and_those_that_come(front, hand):
    await front.submit(labels={"album": "7"})
    there = await front.submit(labels={"album": "42", "who": "me"})
    call = front.stub.WatchMany(pb.WatchManyRequest(labels=["album=42", "who"]))
    assert (await read(call, "snapshot")).job_id == there.id
    await front.submit(labels={"album": "42"})
    coming = await front.submit(labels={"album": "42", "who": "you"})
    assert (await read(call, "snapshot")).job_id == coming.id
    await finish(hand, 4)
    told = [await read(call, "event") for _ in range(6)]
    for job in (there, coming):
        assert [message.event.sequence for message in told if message.job_id == job.id] == [2, 3, 4]
    later = await front.submit(labels={"album": "42", "who": "me"})
    assert (await read(call, "snapshot")).job_id == later.id, "it goes on after all have ended"
    call.cancel()


async def test_labels_begin_with_the_newest_job_and_tell_each_once(front, hand):
    jobs = [await front.submit(labels={"a": "1"}) for _ in range(3)]
    await finish(hand)
    call = front.stub.WatchMany(pb.WatchManyRequest(labels=["a"]))
    assert [(await read(call, "snapshot")).job_id for _ in range(3)] == [job.id for job in reversed(jobs)]
    await finish(hand, 2)
    told = [await read(call, "snapshot", "event") for _ in range(6)]
    assert [message.event.sequence for message in told if message.job_id == jobs[2].id] == [2, 3, 4]
    call.cancel()


async def test_a_job_that_is_removed_does_not_end_a_watch_by_labels(front, hand):
    job = await front.submit(labels={"a": "1"})
    await finish(hand)
    call = front.stub.WatchMany(pb.WatchManyRequest(labels=["a"]))
    assert (await read(call, "snapshot")).job_id == job.id
    await front.stub.Delete(pb.DeleteRequest(job_id=job.id))
    again = await front.submit(labels={"a": "1"})
    assert (await read(call, "snapshot")).job_id == again.id
    call.cancel()


async def test_progress_and_places_in_the_queue_name_their_job(front):
    jobs = [await front.submit() for _ in range(2)]
    call = front.stub.WatchMany(targets(*jobs))
    queues = [await read(call, "queue") for _ in range(2)]
    assert {message.job_id: message.queue.approximate_position for message in queues} == {jobs[0].id: 0, jobs[1].id: 1}
    call.cancel()


async def test_many_jobs_need_no_tasks_of_their_own(front):
    jobs = await asyncio.gather(*(front.submit() for _ in range(100)))
    before = len(asyncio.all_tasks())
    call = front.stub.WatchMany(targets(*jobs))
    for _ in jobs:
        await read(call, "snapshot")
    assert len(asyncio.all_tasks()) - before < 10
    call.cancel()


async def test_unknown_jobs_are_named_at_once_and_nothing_is_told(front, refused):
    job = await front.submit()
    unknown = ["a" * 26, "../etc"]
    request = targets(job)
    request.targets.extend(pb.WatchTarget(job_id=job_id) for job_id in unknown)
    details = await refused(front.stub.WatchMany(request).read(), grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
    assert details["ErrorInfo"].metadata["job_ids"].split(",") == unknown


async def test_removed_jobs_are_named_as_such(front, hand, refused):
    job = await front.submit()
    await finish(hand)
    await front.stub.Delete(pb.DeleteRequest(job_id=job.id))
    call = front.stub.WatchMany(targets(job))
    details = await refused(call.read(), grpc.StatusCode.NOT_FOUND, "JOB_PURGED")
    assert details["ErrorInfo"].metadata["job_ids"] == job.id


@pytest.mark.parametrize("after", [-1, 2, 2**40])
async def test_a_cursor_beyond_a_history_names_its_job(front, refused, after):
    fine, beyond = await front.submit(), await front.submit()
    request = targets(fine, after=1)
    request.targets.extend(targets(beyond, after=after).targets)
    details = await refused(front.stub.WatchMany(request).read(), grpc.StatusCode.OUT_OF_RANGE, "CURSOR_OUT_OF_RANGE")
    assert dict(details["ErrorInfo"].metadata) == {"job_id": beyond.id, "last_sequence": "1"}


async def test_as_many_targets_as_the_limit_and_no_more(start, hand, refused):
    async with start(Limits(max_watch_targets=2)) as front:
        assert (await front.stub.GetCapabilities(pb.GetCapabilitiesRequest())).limits.max_watch_targets == 2
        jobs = [await front.submit() for _ in range(3)]
        await finish(hand, 3)
        assert len(await stories(front.stub.WatchMany(targets(*jobs[:2], after=0)))) == 2
        call = front.stub.WatchMany(targets(*jobs))
        details = await refused(call.read(), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert details["BadRequest"].field_violations[0].description == "must be at most 2, not 3"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.WatchManyRequest(), "targets"),
        (pb.WatchManyRequest(targets=[pb.WatchTarget(job_id="a")], labels=["a"]), "targets"),
        (pb.WatchManyRequest(targets=[pb.WatchTarget(job_id="a"), pb.WatchTarget(job_id="a")]), "targets[1].job_id"),
        (pb.WatchManyRequest(labels=["a=1", "=1"]), "labels[1]"),
    ],
    ids=["neither", "both", "twice", "no key"],
)
async def test_a_bad_request_is_told_its_field(front, refused, request_, field):
    call = front.stub.WatchMany(request_)
    details = await refused(call.read(), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert [violation.field for violation in details["BadRequest"].field_violations] == [field]


async def test_an_idle_stream_has_one_heartbeat_for_all_its_jobs(start):
    async with start(heartbeat_s=0.05) as front:
        jobs = [await front.submit() for _ in range(2)]
        call = front.stub.WatchMany(targets(*jobs))
        kinds = [(await call.read()).WhichOneof("message") for _ in range(6)]
        assert kinds == ["snapshot", "queue", "snapshot", "queue", "heartbeat", "heartbeat"]
        call.cancel()


async def test_a_watch_by_labels_that_no_job_has_lives(start):
    async with start(heartbeat_s=0.05) as front:
        call = front.stub.WatchMany(pb.WatchManyRequest(labels=["none"]))
        for _ in range(2):
            heartbeat = await call.read()
            assert heartbeat.WhichOneof("message") == "heartbeat"
            assert heartbeat.job_id == ""
        call.cancel()


async def test_with_nothing_to_tell_the_first_message_is_a_heartbeat_at_once(start):
    async with start(heartbeat_s=3600.0) as front, asyncio.timeout(20):
        call = front.stub.WatchMany(pb.WatchManyRequest(labels=["none"]))
        assert (await call.read()).WhichOneof("message") == "heartbeat"
        call.cancel()


@pytest.mark.parametrize("labels", [[], ["a"]], ids=["targets", "labels"])
async def test_a_stopping_gateway_says_so_and_asks_to_come_again(start, refused, labels):
    async with AsyncExitStack() as clients:
        async with start() as front:
            job = await front.submit(labels={"a": "1"})
            channel = await clients.enter_async_context(grpc.aio.insecure_channel(front.target))
            call = DetectionServiceStub(channel).WatchMany(pb.WatchManyRequest(labels=labels) if labels else targets(job))
            await read(call, "queue")
            last = asyncio.ensure_future(call.read())
        assert (await last).HasField("closing")
        details = await refused(call.read(), grpc.StatusCode.UNAVAILABLE, "DRAINING")
        assert "RetryInfo" in details


async def test_another_gateways_jobs_and_cursors_are_known_at_once(start, hand):
    async with start() as one, start() as other:
        job = await one.submit()
        await finish(hand)
        last = (await one.stub.Wait(pb.WaitRequest(job_id=job.id))).job.last_sequence
        call = other.stub.WatchMany(targets(job, after=last))
        assert await stories(call) == {}
        assert await call.code() is grpc.StatusCode.OK


async def test_the_fields_of_both_watches_have_the_same_numbers():
    alone = pb.WatchResponse.DESCRIPTOR.oneofs_by_name["message"].fields
    joint = pb.WatchManyResponse.DESCRIPTOR.oneofs_by_name["message"].fields
    assert [(field.name, field.number, field.message_type) for field in joint] == [
        (field.name, field.number, field.message_type) for field in alone
    ]
