"""The client's watch: every event once, whatever happens to the connection."""

import asyncio

import pytest

from myeye import AsyncClient, NotFound, ProtocolError, State, Unavailable, WatchResponse
from myeye.v1.detection_service_pb2 import Closing, Heartbeat
from myeye.v1.event_pb2 import Event, ItemStarted, JobFinished
from myeye.v1.job_pb2 import Job, QueueStatus


def snapshot(sequence, state=State.STATE_RUNNING):
    return WatchResponse(snapshot=Job(id="job0", state=state, last_sequence=sequence))


def started(sequence):
    return WatchResponse(event=Event(sequence=sequence, item_started=ItemStarted(attempt=1)))


def finished(sequence):
    return WatchResponse(event=Event(sequence=sequence, job_finished=JobFinished(state=State.STATE_SUCCEEDED)))


HEARTBEAT = WatchResponse(heartbeat=Heartbeat())
CLOSING = WatchResponse(closing=Closing(reason="draining"))


async def collect(updates):
    async with asyncio.timeout(20):
        return [update async for update in updates]


def cursors(gateway):
    return [request.after_sequence if request.HasField("after_sequence") else None for request in gateway.requests["Watch"]]


async def test_it_tells_snapshot_and_events_and_ends_with_the_job(gateway, client):
    queue = WatchResponse(queue=QueueStatus(approximate_position=3))
    gateway.streams.append([snapshot(1), HEARTBEAT, queue, started(2), finished(3)])
    assert await collect(client.watch("job0")) == [snapshot(1), queue, started(2), finished(3)]


async def test_a_broken_stream_is_resumed_after_the_last_event(gateway, client):
    gone = gateway.refusal("UNAVAILABLE", "DRAINING", "goes away")
    gateway.streams += [[started(1), started(2), gone], [started(3), finished(4)]]
    updates = await collect(client.watch("job0", after_sequence=0))
    assert [update.event.sequence for update in updates] == [1, 2, 3, 4]
    assert cursors(gateway) == [0, 2]


async def test_a_stream_that_breaks_after_its_snapshot_is_resumed_after_that(gateway, client):
    gone = gateway.refusal("INTERNAL", "", "reset")
    gateway.streams += [[snapshot(5), gone], [started(6), finished(7)]]
    assert await collect(client.watch("job0")) == [snapshot(5), started(6), finished(7)]
    assert cursors(gateway) == [None, 5]


async def test_a_stream_that_breaks_before_its_snapshot_begins_with_one_again(gateway, client):
    gateway.fail("Watch", "UNAVAILABLE", "STARTING")
    gateway.streams.append([snapshot(1), finished(2)])
    assert await collect(client.watch("job0")) == [snapshot(1), finished(2)]
    assert cursors(gateway) == [None, None]


async def test_closing_makes_it_resume_at_once_though_the_stream_stays_open(gateway, client):
    gateway.streams += [[snapshot(1), CLOSING, gateway.never], [finished(2)]]
    assert await collect(client.watch("job0")) == [snapshot(1), finished(2)]


async def test_a_silent_stream_is_taken_for_dead(gateway, server):
    gateway.streams += [[snapshot(1), gateway.never], [finished(2)]]
    async with AsyncClient(server.target, silence_s=0.2) as client:
        assert await collect(client.watch("job0")) == [snapshot(1), finished(2)]


async def test_a_stream_that_has_begun_may_be_quiet_for_longer_than_a_call_may_take(gateway, server):
    later = asyncio.Event()
    gateway.streams.append([snapshot(1), later, finished(2)])
    async with AsyncClient(server.target, timeout_s=0.2) as client:
        asyncio.get_running_loop().call_later(0.5, later.set)
        assert await collect(client.watch("job0")) == [snapshot(1), finished(2)]
    assert len(gateway.requests["Watch"]) == 1


async def test_an_ok_end_before_the_jobs_end_is_resumed(gateway, client):
    gateway.jobs["job0"] = Job(id="job0", state=State.STATE_RUNNING, last_sequence=1)
    gateway.streams += [[snapshot(1)], [finished(2)]]
    assert await collect(client.watch("job0")) == [snapshot(1), finished(2)]


async def test_a_watch_from_the_last_event_of_a_finished_job_ends_without_a_word(gateway, client, picture):
    job = await client.submit(picture)
    assert await collect(client.watch(job.id, after_sequence=job.last_sequence)) == []


async def test_repeated_events_are_told_once(gateway, client):
    gateway.streams.append([started(1), started(1), started(2), started(1), finished(3)])
    updates = await collect(client.watch("job0", after_sequence=0))
    assert [update.event.sequence for update in updates] == [1, 2, 3]


@pytest.mark.parametrize("stream", [[started(1), finished(3)], [snapshot(1), finished(3)]])
async def test_a_gap_is_an_error_and_not_silence(gateway, client, stream):
    gateway.streams.append(stream)
    after = 0 if stream[0].HasField("event") else None
    with pytest.raises(ProtocolError, match="event 3 came after event 1"):
        await collect(client.watch("job0", after_sequence=after))


async def test_an_unknown_job_is_final(gateway, client):
    with pytest.raises(NotFound) as caught:
        await collect(client.watch("nothing"))
    assert caught.value.reason == "JOB_NOT_FOUND"
    assert len(gateway.requests["Watch"]) == 1


async def test_it_goes_on_when_the_gateway_comes_back_on_its_port(gateway, server, client):
    gateway.streams += [[snapshot(1), gateway.never], [started(2), finished(3)]]
    updates = client.watch("job0")
    async with asyncio.timeout(20):
        assert await anext(updates) == snapshot(1)
        await server.stop()
        await server.start()
        assert [update async for update in updates] == [started(2), finished(3)]
    assert cursors(gateway) == [None, 1]


async def test_it_gives_up_when_nobody_answers_for_too_long(gateway, server):
    gateway.streams.append([snapshot(1), gateway.never])
    async with AsyncClient(server.target, resume_s=0.5) as client, asyncio.timeout(20):
        updates = client.watch("job0")
        await anext(updates)
        await server.stop()
        with pytest.raises(Unavailable):
            await anext(updates)


async def test_a_watch_left_early_leaves_the_stream(gateway, client):
    gateway.streams.append([snapshot(1), gateway.never])
    updates = client.watch("job0")
    await anext(updates)
    await updates.aclose()
    assert [update async for update in updates] == []
