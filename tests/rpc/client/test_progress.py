"""How far a job is, told while it is waited for, and an end to waiting."""

import asyncio

import pytest

from myeye import Client, Progress, State, WatchResponse
from myeye.v1.event_pb2 import Event, FramesDetected, ItemFinished, JobFinished
from myeye.v1.job_pb2 import Item, Job, VideoResult


def snapshot(**fields):
    return WatchResponse(snapshot=Job(id="job0", last_sequence=1, **fields))


def item_finished(sequence, state):
    return WatchResponse(event=Event(sequence=sequence, item_finished=ItemFinished(item=Item(state=state))))


def frames(sequence, item, done, total):
    video = VideoResult(frames_done=done, frames_total=total)
    return WatchResponse(event=Event(sequence=sequence, frames_detected=FramesDetected(item=item, video=video)))


def job_finished(sequence):
    return WatchResponse(event=Event(sequence=sequence, job_finished=JobFinished(state=State.STATE_PARTIALLY_SUCCEEDED)))


def ended(gateway):
    gateway.jobs["job0"] = Job(id="job0", state=State.STATE_PARTIALLY_SUCCEEDED)


async def test_progress_is_told_as_it_is_and_with_every_item_also_after_a_cut(gateway, client):
    ended(gateway)
    begun = snapshot(state=State.STATE_RUNNING, progress=Progress(items_done=1, items_total=4))
    cut = gateway.refusal("UNAVAILABLE", "DRAINING", "goes away")
    gateway.streams += [
        [begun, item_finished(2, State.STATE_SUCCEEDED), cut],
        [item_finished(3, State.STATE_FAILED), item_finished(4, State.STATE_EXPIRED), job_finished(5)],
    ]
    told = []
    job = await client.wait("job0", on_progress=told.append)
    assert job.state == State.STATE_PARTIALLY_SUCCEEDED
    assert [(each.items_done, each.items_failed, each.items_total) for each in told] == [
        (1, 0, 4),
        (2, 0, 4),
        (2, 1, 4),
        (2, 2, 4),
    ]


async def test_progress_counts_the_frames_of_all_videos_in_their_latest_attempts(gateway, client):
    ended(gateway)
    running = [Item(index=1, state=State.STATE_RUNNING, video=VideoResult(frames_done=3, frames_total=5)), Item(index=2)]
    begun = snapshot(state=State.STATE_RUNNING, progress=Progress(items_total=2), items=running)
    gateway.streams.append([begun, frames(2, 2, 1, 9), frames(3, 1, 5, 5), frames(4, 2, 0, 9), job_finished(5)])
    told = []
    await client.wait("job0", on_progress=told.append)
    assert [(each.frames_done, each.frames_total) for each in told] == [(3, 5), (4, 14), (6, 14), (5, 14)]


async def test_detect_tells_progress_with_and_without_asyncio(server, client, picture):
    told = []
    await client.detect([picture, picture], on_progress=told.append)

    def use():
        with Client(server.target) as client:
            return client.detect([picture, picture], on_progress=told.append)

    await asyncio.to_thread(use)
    assert told == [Progress(items_done=2, items_total=2)] * 2


def never_ending(gateway, *told):
    gateway.jobs["job0"] = Job(id="job0", state=State.STATE_RUNNING)
    gateway.streams.append([*told, gateway.never])


@pytest.mark.parametrize("method", ["watch", "frames", "watch_many"])
async def test_an_iterator_ends_at_its_timeout_though_the_job_has_not(gateway, client, method):
    never_ending(gateway)
    jobs = ["job0"] if method == "watch_many" else "job0"
    with pytest.raises(TimeoutError):
        async for _ in getattr(client, method)(jobs, timeout=0.2):
            pass


async def test_an_iterator_without_asyncio_ends_at_its_timeout_after_what_came(gateway, server):
    never_ending(gateway, snapshot(state=State.STATE_RUNNING))
    seen = []

    def use():
        with Client(server.target) as client:
            seen.extend(client.watch("job0", timeout=0.5))

    with pytest.raises(TimeoutError):
        await asyncio.to_thread(use)
    assert seen == [snapshot(state=State.STATE_RUNNING)]


async def test_detect_ends_at_its_timeout(gateway, client):
    gateway.streams.append([snapshot(state=State.STATE_RUNNING), gateway.never])
    with pytest.raises(TimeoutError):
        await client.detect(b"picture", timeout=0.2, on_progress=lambda _: None)
    assert "job0" in gateway.jobs


async def test_what_is_left_early_within_its_timeout_is_left(gateway, client):
    never_ending(gateway, snapshot(state=State.STATE_RUNNING))
    async for update in client.watch("job0", timeout=60):
        assert update.HasField("snapshot")
        break
