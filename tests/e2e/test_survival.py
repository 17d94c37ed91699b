"""Processes die in the middle of work; no job is lost, no event is missed or told twice."""

from __future__ import annotations

import asyncio

import grpc
import psutil

from myeye import AsyncClient
from myeye.v1.detection_service_pb2 import WatchRequest
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from myeye.v1.job_pb2 import STATE_SUCCEEDED

JOBS = 100


async def story(client: AsyncClient, job_id: str, finished: asyncio.Semaphore):
    """Watch a job from its beginning to its end, and say when it has ended."""
    events = [update.event async for update in client.watch(job_id, after_sequence=0) if update.HasField("event")]
    finished.release()
    return events


async def some(finished: asyncio.Semaphore, count: int) -> None:
    async with asyncio.timeout(90):
        for _ in range(count):
            await finished.acquire()


async def test_a_hundred_jobs_outlive_gateway_worker_and_detector(mesh_on, grace_hopper):
    with mesh_on(detectors=2, worker_flags=("--retry-delay", "0.2")) as mesh:
        async with AsyncClient(mesh.target) as client:
            jobs = [await client.submit(grace_hopper, labels={"n": str(n)}) for n in range(JOBS)]
            finished = asyncio.Semaphore(0)
            watching = [asyncio.ensure_future(story(client, job.id, finished)) for job in jobs]

            await some(finished, 10)
            detector = psutil.Process(mesh.workers[0].pid).children()[0]
            detector.kill()

            await some(finished, 10)
            mesh.gateways[0].kill()
            mesh.gateways[0].start()

            await some(finished, 10)
            mesh.workers[0].kill()
            mesh.workers[0].start()

            async with asyncio.timeout(100):
                stories = await asyncio.gather(*watching)
            for job, events in zip(jobs, stories, strict=True):
                assert [event.sequence for event in events] == list(range(1, len(events) + 1)), job.id
                assert events[-1].job_finished.state == STATE_SUCCEEDED, job.id
                assert [event.WhichOneof("kind") for event in events].count("job_finished") == 1
            assert {(await client.get(job.id)).state for job in jobs} == {STATE_SUCCEEDED}

            mesh.gateways[0].stop()
            mesh.gateways[0].start()
            mesh.wait_ready()
            for job, events in zip(jobs, stories, strict=True):
                replayed = [u.event async for u in client.watch(job.id, after_sequence=0) if u.HasField("event")]
                assert [e.SerializeToString() for e in replayed] == [e.SerializeToString() for e in events]


async def test_two_gateways_tell_the_same_of_every_job(mesh_on, grace_hopper):
    with mesh_on(gateways=2) as mesh:
        async with AsyncClient(mesh.targets[0]) as one, AsyncClient(mesh.targets[1]) as other:
            job = await one.submit(grace_hopper, request_id="same")
            assert (await other.get(job.id)).id == job.id, "known at once on the other"
            stories = await asyncio.gather(*(story(client, job.id, asyncio.Semaphore()) for client in (one, other)))
            assert [e.SerializeToString() for e in stories[0]] == [e.SerializeToString() for e in stories[1]]
            assert (await other.submit(grace_hopper, request_id="same")).id == job.id
            assert [listed.id async for listed in other.list()] == [job.id]

            mesh.workers[0].stop()
            waiting = await one.submit(grace_hopper)
            cancelled = await other.cancel(waiting.id)
            assert (await one.wait(waiting.id)).state == cancelled.state
            assert await one.get(waiting.id) == await other.get(waiting.id)


async def test_a_worker_told_to_stop_finishes_or_hands_back_what_it_has(mesh_on, grace_hopper):
    with mesh_on(workers=2) as mesh:
        async with AsyncClient(mesh.target) as client:
            jobs = [await client.submit(grace_hopper) for _ in range(20)]
            finished = asyncio.Semaphore(0)
            watching = [asyncio.ensure_future(story(client, job.id, finished)) for job in jobs]
            await some(finished, 3)
            assert await asyncio.to_thread(mesh.workers[0].stop) == 0
            async with asyncio.timeout(90):
                stories = await asyncio.gather(*watching)
    for events in stories:
        kinds = [event.WhichOneof("kind") for event in events]
        assert kinds == ["job_accepted", "item_started", "item_finished", "job_finished"], "no attempt was lost"


async def test_a_watch_opened_on_a_bare_stub_ends_ok_after_the_terminal_event(mesh_on, grace_hopper):
    with mesh_on() as mesh:
        async with AsyncClient(mesh.target) as client:
            job = await client.submit(grace_hopper)
        async with grpc.aio.insecure_channel(mesh.target) as channel:
            call = DetectionServiceStub(channel).Watch(WatchRequest(job_id=job.id, after_sequence=0))
            kinds = [message.event.WhichOneof("kind") async for message in call if message.HasField("event")]
            assert kinds[-1] == "job_finished"
            assert await call.code() is grpc.StatusCode.OK
