"""What a gateway tells of jobs whose beginning retention has cut from the log: nothing, rather than half of it."""

from __future__ import annotations

import time

import grpc

from dispatch.events import Cancelled, Enqueued, Started, Succeeded
from dispatch.journal import new_event_id
from gateway.ids import job_id
from myeye.v1 import detection_service_pb2 as pb


async def test_a_job_without_its_beginning_is_not_found_and_others_are_told_whole(start, hand, refused):
    cut = job_id("", "Submit", "cut")
    common = {"job_id": cut, "time_ns": time.time_ns()}
    run = {"item": 0, "run_id": "r"}
    for event in (
        Enqueued(id=new_event_id(), **common),
        Started(id=new_event_id(), **common, **run, task_id="t", worker="w", accepted_id=b"a"),
        Succeeded(id=new_event_id(), **common, **run, result=b"", timings=b""),
        Cancelled(id=new_event_id(), **common, reason=""),
    ):
        assert (await hand.journal.commit(event)).ignored == "no such job"
    async with start() as front:
        for call in (
            front.stub.Get(pb.GetRequest(job_id=cut)),
            front.stub.Watch(pb.WatchRequest(job_id=cut, after_sequence=0)).read(),
            front.stub.Wait(pb.WaitRequest(job_id=cut)),
            front.stub.Retry(pb.RetryRequest(job_id=cut)),
        ):
            await refused(call, grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
        job = await front.submit(request_id="cut")
        assert job.id == cut, "the same call makes it anew"
        async with hand.taking() as deliveries:
            await hand.finish_next(deliveries)
        assert [event.sequence for event in await front.events(cut)] == [1, 2, 3, 4]
