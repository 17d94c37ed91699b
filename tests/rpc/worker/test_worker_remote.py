"""Items that a worker fetches from an address: a real server of https, a real worker, and a detector that obeys."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dispatch.codec import duration, nanoseconds
from dispatch.events import Failed, Started, Succeeded
from dispatch.lifecycle import FramesDetected, Job, State
from dispatch.options import MAX_PICTURE_BYTES
from dispatch.ports import Kind, Lane, Queue
from dispatch.v1.remote_pb2 import Remote
from dispatch.v1.task_pb2 import Task
from egress.exchange import Exchange
from egress.fetch import Fetcher
from egress.options import EgressOptions
from egress.resolver import SystemResolver
from harness.https import Authority, Host, ok, redirect, serving
from myeye.v1.job_pb2 import Timings, VideoOptions, VideoResult
from worker.attempt import Attempt
from worker.detection import DetectorFailed
from worker.remote_work import RemoteWork

JPEG = b"\xff\xd8\xff a cat"
LIMIT_S = 20


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
async def host(authority: Authority) -> AsyncIterator[Host]:
    async with serving(authority.server("localhost")) as host:
        yield host


@pytest.fixture
def egress(authority: Authority, host: Host) -> EgressOptions:
    return EgressOptions.parse(fetch_from=host.url(""), internal_networks="127.0.0.0/8,::1/128", ca=str(authority.ca))


async def remote(site: Any, url: str, **fields: Any) -> Task:
    """Accept a job of what is at an address."""
    task: Task = await site.accept(picture=None, remote=Remote(uri=url, video=VideoOptions(max_fps=60)), **fields)
    return task


async def done(site: Any, task: Task, pool: Any, egress: EgressOptions, **changes: Any) -> Job:
    await site.publish(task)
    async with site.worker(pool, egress=egress, **changes):
        job: Job = await site.ended(task.job_id)
    return job


async def test_a_picture_is_fetched_kept_and_looked_at(site: Any, pool_of: Any, host: Host, egress: EgressOptions) -> None:
    host.answers["/cat.jpg"] = ok(JPEG)
    task, pool = await remote(site, host.url("/cat.jpg"), annotate=True), pool_of()
    job = await done(site, task, pool, egress)
    assert job.state is State.SUCCEEDED, job.items[0].failure
    assert [request.picture for request in pool.requests] == [JPEG]
    assert await site.blobs.get(task.input_blob) == JPEG
    assert await site.blobs.get(task.annotated_blob) == b"drawn"
    timings = Timings.FromString(job.items[0].timings)
    assert 0 < nanoseconds(timings.fetch) <= nanoseconds(timings.total)
    assert await site.broker.tasks.depth(Queue("toy", Lane.NORMAL, Kind.REMOTE)) == 0
    (done_event,) = [change.event for change in site.told(Succeeded, task.job_id)]
    assert done_event.fetched_bytes == len(JPEG)


async def test_a_video_is_one_by_its_first_bytes(
    site: Any, pool_of: Any, host: Host, egress: EgressOptions, video_at: Callable[..., Path], tmp_path: Path
) -> None:
    host.answers["/clip"] = ok(video_at(tmp_path / "clip.webm", codec="VP80").read_bytes(), "Content-Type: image/jpeg")
    task = await remote(site, host.url("/clip"))
    job = await done(site, task, pool_of(detectors=2), egress)
    assert job.state is State.SUCCEEDED, job.items[0].failure
    assert VideoResult.FromString(job.items[0].video).frames_done == 10
    assert any(isinstance(entry, FramesDetected) for entry in job.history)


async def test_what_was_fetched_is_not_fetched_again(site: Any, pool_of: Any, host: Host, egress: EgressOptions) -> None:
    host.answers["/cat.jpg"] = ok(JPEG)
    task, pool = await remote(site, host.url("/cat.jpg")), pool_of(DetectorFailed("DETECTOR_CRASHED", "the detector ended"))
    job = await done(site, task, pool, egress)
    assert (job.state, job.items[0].attempt) == (State.SUCCEEDED, 2)
    assert len(host.asked) == 1
    assert [request.picture for request in pool.requests] == [JPEG, JPEG]
    told = [change.event.fetched_bytes for kind in (Failed, Succeeded) for change in site.told(kind, task.job_id)]
    assert told == [len(JPEG)] * 2


@pytest.mark.parametrize(
    ("answer", "reason", "attempts"),
    [
        (ok(b"", status="404 Not Found"), "URI_NOT_FOUND", 1),
        (ok(b"", status="403 Forbidden"), "URI_FORBIDDEN", 1),
        (redirect("https://169.254.169.254/"), "URI_FORBIDDEN", 1),
        (ok(b"", status="400 Bad Request"), "URI_UNAVAILABLE", 1),
        (ok(b""), "URI_UNAVAILABLE", 1),
        (ok(b"", status="503 Service Unavailable"), "URI_UNAVAILABLE", 2),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it", "URI_UNAVAILABLE", 2),
    ],
    ids=["404", "403", "metadata", "400", "empty", "503", "broken off"],
)
async def test_why_nothing_was_fetched(
    site: Any, pool_of: Any, host: Host, egress: EgressOptions, answer: bytes, reason: str, attempts: int
) -> None:
    host.answers["/secret"] = answer
    task, pool = await remote(site, host.url("/secret?signature=s3cr3t"), max_attempts=2), pool_of()
    job = await done(site, task, pool, egress)
    failure = job.items[0].failure
    assert failure is not None
    assert (job.state, failure.reason, job.items[0].attempt) == (State.FAILED, reason, attempts)
    assert not pool.requests
    assert "secret" not in failure.message
    assert not await site.blobs.list(f"jobs/{task.job_id}/"), "nothing of it is kept"
    assert [change.event.fetched_bytes for change in site.told(Failed, task.job_id)] == [0] * attempts


async def test_a_server_that_was_away_is_asked_again(site: Any, pool_of: Any, host: Host, egress: EgressOptions) -> None:
    host.answers["/cat.jpg"] = ok(b"", status="503 Service Unavailable")
    task = await remote(site, host.url("/cat.jpg"), max_attempts=5)
    await site.publish(task)
    async with site.worker(pool_of(), egress=egress):
        await site.until(lambda: site.told(Failed, task.job_id))
        host.answers["/cat.jpg"] = ok(JPEG)
        job = await site.ended(task.job_id)
    assert job.state is State.SUCCEEDED


async def test_a_worker_has_a_list_of_its_own(site: Any, pool_of: Any, authority: Authority, host: Host) -> None:
    other = EgressOptions.parse(fetch_from="https://elsewhere.test", internal_networks="127.0.0.0/8", ca=str(authority.ca))
    job = await done(site, await remote(site, host.url("/cat.jpg")), pool_of(), other)
    assert job.items[0].failure is not None
    assert job.items[0].failure.reason == "URI_FORBIDDEN"
    assert not host.connections


async def test_a_worker_that_fetches_nothing_leaves_it_to_others(
    site: Any, pool_of: Any, host: Host, egress: EgressOptions
) -> None:
    host.answers["/cat.jpg"] = ok(JPEG)
    task, picture = await remote(site, host.url("/cat.jpg")), await site.accept()
    await site.publish(task)
    await site.publish(picture)
    async with site.worker(pool_of(), name="w1"):
        await site.ended(picture.job_id)
        assert not site.told(Started, task.job_id)
        async with site.worker(pool_of(), name="w2", egress=egress):
            job = await site.ended(task.job_id)
    assert (job.state, job.items[0].worker) == (State.SUCCEEDED, "w2")


async def test_a_cancelled_item_is_not_fetched_on(site: Any, pool_of: Any, host: Host, egress: EgressOptions) -> None:
    left = asyncio.Event()

    async def endless(writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(JPEG)
                await writer.drain()
                await asyncio.sleep(0.01)
        finally:
            left.set()

    host.answers["/cat.jpg"] = endless
    task = await remote(site, host.url("/cat.jpg"))
    await site.publish(task)
    async with site.worker(pool_of(), egress=egress), asyncio.timeout(LIMIT_S):
        await host.until_asked(1)
        await site.cancel(task.job_id)
        await left.wait()
    assert not await site.blobs.list(f"jobs/{task.job_id}/")


async def test_a_picture_may_take_as_long_as_a_picture_and_a_video_as_a_video(
    site: Any, pool_of: Any, host: Host, egress: EgressOptions
) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + JPEG)
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def slow_video(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n\x1a\x45\xdf\xa3" + bytes(100))
        await writer.drain()
        await asyncio.sleep(2.5)

    host.answers |= {"/picture": drip, "/video": slow_video}
    picture, video = (
        await remote(site, host.url("/picture"), max_attempts=1),
        await remote(site, host.url("/video"), max_attempts=1),
    )
    for task in (picture, video):
        task.execution_timeout.CopyFrom(duration(2_000_000_000))
        await site.publish(task)
    async with site.worker(pool_of(), egress=egress):
        jobs = [await site.ended(task.job_id) for task in (picture, video)]
    assert [job.items[0].failure.reason for job in jobs] == ["EXECUTION_TIMEOUT", "VIDEO_INVALID"]


async def test_what_is_too_large_is_not_kept(site: Any, pool_of: Any, host: Host, egress: EgressOptions) -> None:
    host.answers["/picture"] = b"HTTP/1.1 200 OK\r\n\r\n" + JPEG + bytes(MAX_PICTURE_BYTES)
    host.answers["/video"] = b"HTTP/1.1 200 OK\r\n\r\n" + b"\x1a\x45\xdf\xa3" + bytes(2_000_000)
    for path, limit in (("/picture", 2 * MAX_PICTURE_BYTES), ("/video", 1_000_000)):
        task = await remote(site, host.url(path))
        job = await done(site, task, pool_of(), egress, max_upload_bytes=limit)
        assert job.items[0].failure is not None
        assert (job.items[0].failure.reason, job.items[0].attempt) == ("URI_TOO_LARGE", 1)
        assert not await site.blobs.list(f"jobs/{task.job_id}/")


@pytest.mark.parametrize("beyond", [0, 1])
async def test_no_more_is_taken_than_there_is_room_for(
    site: Any, pool_of: Any, host: Host, egress: EgressOptions, beyond: int
) -> None:
    host.answers["/cat.jpg"] = ok(JPEG + bytes(beyond))
    task = await remote(site, host.url("/cat.jpg"))
    task.remote.max_bytes = len(JPEG)
    job = await done(site, task, pool_of(), egress)
    failure = job.items[0].failure
    assert (failure.reason if failure else "") == ("URI_TOO_LARGE" if beyond else "")


async def test_the_stages_of_an_attempt_begin_with_the_fetching(
    site: Any, pool_of: Any, host: Host, egress: EgressOptions
) -> None:
    host.answers["/cat.jpg"] = ok(JPEG)
    task = await remote(site, host.url("/cat.jpg"))
    with closing(SystemResolver()) as resolver:
        exchange = Exchange(allowed=egress.fetch_from, networks=egress.networks, resolver=resolver, tls=egress.tls())
        async with site.desk(pool_of()) as desk:
            attempt = Attempt.begin(task)
            work = RemoteWork(replace(desk, fetcher=Fetcher(exchange)), attempt)
            await work.do(asyncio.ensure_future(work.fetch()))
            await work.close()
    assert next(attempt.trail.stages(time.time_ns()))[0] == "fetch"
    assert work.fetched_bytes == len(JPEG)


async def test_no_line_of_the_log_has_the_secrets_of_an_address(
    site: Any, pool_of: Any, host: Host, egress: EgressOptions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    host.answers["/cat.jpg"] = ok(JPEG)
    for path in ("/cat.jpg?signature=s3cr3t", "/s3cr3t.jpg?signature=s3cr3t"):
        await done(site, await remote(site, host.url(path)), pool_of(), egress)
    assert len(host.asked) == 2
    assert "failed" in caplog.text
    assert "s3cr3t" not in caplog.text
