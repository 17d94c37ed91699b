"""The client's watch of several jobs: every event of each once, whatever happens to the connection."""

import asyncio

import pytest

from myeye import AsyncClient, NotFound, ProtocolError, State, Unavailable, WatchManyResponse, WatchResponse
from myeye.v1.detection_service_pb2 import Closing, Heartbeat
from myeye.v1.event_pb2 import Event, ItemStarted, JobFinished
from myeye.v1.job_pb2 import Job


def snapshot(job_id, sequence, state=State.STATE_RUNNING):
    return WatchManyResponse(job_id=job_id, snapshot=Job(id=job_id, state=state, last_sequence=sequence))


def event(job_id, sequence):
    return WatchManyResponse(job_id=job_id, event=Event(sequence=sequence, item_started=ItemStarted(attempt=1)))


def end(job_id, sequence):
    finished = JobFinished(state=State.STATE_SUCCEEDED)
    return WatchManyResponse(job_id=job_id, event=Event(sequence=sequence, job_finished=finished))


HEARTBEAT = WatchManyResponse(heartbeat=Heartbeat())
CLOSING = WatchManyResponse(closing=Closing(reason="draining"))


async def collect(updates, count=None):
    """Give all updates, or as many as asked for."""
    collected = []
    async with asyncio.timeout(20):
        async for update in updates:
            collected.append(update)
            if len(collected) == count:
                break
    await updates.aclose()
    return collected


def asked(gateway):
    """What each stream was asked for: each job with its cursor."""
    return [
        {target.job_id: target.after_sequence if target.HasField("after_sequence") else None for target in request.targets}
        for request in gateway.requests["WatchMany"]
    ]


@pytest.fixture
def gone(gateway):
    return gateway.refusal("UNAVAILABLE", "DRAINING", "goes away")


async def test_it_tells_all_jobs_and_ends_with_the_last(gateway, client):
    told = [snapshot("a", 1), HEARTBEAT, snapshot("b", 1), end("b", 2), end("a", 2)]
    gateway.streams.append(told)
    assert await collect(client.watch_many(["a", "b"])) == [update for update in told if update != HEARTBEAT]
    assert asked(gateway) == [{"a": None, "b": None}]


async def test_jobs_can_have_cursors(gateway, client):
    gateway.streams.append([event("a", 4), end("a", 5), snapshot("b", 9, State.STATE_FAILED), end("c", 1)])
    await collect(client.watch_many({"a": 3, "b": None, "c": 0}))
    assert asked(gateway) == [{"a": 3, "b": None, "c": 0}]


async def test_a_broken_stream_is_resumed_with_the_jobs_that_have_not_ended(gateway, client, gone):
    gateway.streams += [[snapshot("a", 3), snapshot("b", 1), end("b", 2), event("a", 4), gone], [end("a", 5)]]
    updates = await collect(client.watch_many(["a", "b"]))
    assert updates == [snapshot("a", 3), snapshot("b", 1), end("b", 2), event("a", 4), end("a", 5)]
    assert asked(gateway) == [{"a": None, "b": None}, {"a": 4}]


async def test_closing_makes_it_resume_at_once(gateway, client):
    gateway.streams += [[snapshot("a", 1), CLOSING, gateway.never], [end("a", 2)]]
    assert await collect(client.watch_many(["a"])) == [snapshot("a", 1), end("a", 2)]


async def test_a_silent_stream_is_taken_for_dead(gateway, server):
    gateway.streams += [[snapshot("a", 1), gateway.never], [end("a", 2)]]
    async with AsyncClient(server.target, silence_s=0.2) as client:
        assert await collect(client.watch_many(["a"])) == [snapshot("a", 1), end("a", 2)]


async def test_an_ok_end_before_a_jobs_end_is_resumed(gateway, client):
    gateway.jobs["a"] = Job(id="a", state=State.STATE_RUNNING, last_sequence=1)
    gateway.streams += [[snapshot("a", 1)], [end("a", 2)]]
    assert await collect(client.watch_many(["a"])) == [snapshot("a", 1), end("a", 2)]


async def test_a_job_whose_end_was_told_before_is_not_waited_for(gateway, client):
    gateway.jobs["a"] = Job(id="a", state=State.STATE_SUCCEEDED, last_sequence=4)
    gateway.streams.append([])
    assert await collect(client.watch_many({"a": 4})) == []


async def test_a_gap_is_an_error(gateway, client):
    gateway.streams.append([event("a", 1), event("b", 1), end("a", 3)])
    with pytest.raises(ProtocolError, match="event 3 came after event 1"):
        await collect(client.watch_many({"a": 0, "b": 0}))


async def test_an_unknown_job_is_final(gateway, client):
    gateway.fail("WatchMany", "NOT_FOUND", "JOB_NOT_FOUND")
    with pytest.raises(NotFound):
        await collect(client.watch_many(["nothing"]))
    assert len(gateway.requests["WatchMany"]) == 1


@pytest.mark.parametrize(("jobs", "labels"), [([], []), (["a"], ["b"])])
async def test_jobs_or_labels_and_not_both(client, jobs, labels):
    with pytest.raises(ValueError, match="either jobs or labels"):
        client.watch_many(jobs, labels=labels)


async def test_labels_go_on_after_all_have_ended(gateway, client):
    gateway.streams.append([snapshot("a", 1), end("a", 2), HEARTBEAT, snapshot("b", 1), gateway.never])
    updates = await collect(client.watch_many(labels=["album=42"]), 3)
    assert updates == [snapshot("a", 1), end("a", 2), snapshot("b", 1)]
    assert list(gateway.requests["WatchMany"][0].labels) == ["album=42"]


async def test_what_happened_while_a_stream_of_labels_was_broken_is_told_event_by_event(gateway, client, gone):
    gateway.streams += [
        [snapshot("a", 1), snapshot("b", 1), snapshot("c", 2, State.STATE_SUCCEEDED), gone],
        [
            snapshot("d", 1),
            snapshot("c", 2, State.STATE_SUCCEEDED),
            snapshot("b", 1),
            snapshot("a", 3),
            event("a", 4),
            gateway.never,
        ],
        [WatchResponse(event=event("a", 2).event), WatchResponse(event=event("a", 3).event), gateway.never],
    ]
    updates = await collect(client.watch_many(labels=["x"]), 7)
    assert updates[3:] == [snapshot("d", 1), event("a", 2), event("a", 3), event("a", 4)]
    assert [request.after_sequence for request in gateway.requests["Watch"]] == [1]


async def test_a_gateway_that_is_behind_repeats_nothing(gateway, client, gone):
    gateway.streams += [[snapshot("a", 1), event("a", 2), gone], [snapshot("a", 1), event("a", 2), end("a", 3), gateway.never]]
    assert await collect(client.watch_many(labels=["x"]), 3) == [snapshot("a", 1), event("a", 2), end("a", 3)]


async def test_a_job_that_was_removed_while_its_events_were_fetched_does_not_end_it(gateway, client, gone):
    gateway.streams += [[snapshot("a", 1), gone], [snapshot("a", 2), snapshot("b", 1), gateway.never]]
    gateway.fail("Watch", "NOT_FOUND", "JOB_PURGED")
    assert await collect(client.watch_many(labels=["x"]), 2) == [snapshot("a", 1), snapshot("b", 1)]


async def test_a_stream_of_labels_that_ends_is_begun_again(gateway, client):
    gateway.streams += [[snapshot("a", 1)], [snapshot("a", 1), end("a", 2), gateway.never]]
    assert await collect(client.watch_many(labels=["x"]), 2) == [snapshot("a", 1), end("a", 2)]


async def test_it_gives_up_when_nobody_answers_for_too_long(gateway, server):
    gateway.streams.append([snapshot("a", 1), gateway.never])
    async with AsyncClient(server.target, resume_s=0.5) as client, asyncio.timeout(20):
        updates = client.watch_many(labels=["x"])
        await anext(updates)
        await server.stop()
        with pytest.raises(Unavailable):
            await anext(updates)
