"""The client's session when the service does not do what it should."""

import asyncio

import grpc
import pytest

from myeye import AsyncClient, MyeyeError, ProtocolError, SessionUpdate, State, Unavailable
from myeye.v1.detection_service_pb2 import Closing, Heartbeat, SessionAnswer, SessionFollowed, SessionResponse
from myeye.v1.event_pb2 import Event, ItemStarted, JobFinished

HEARTBEAT = SessionResponse(heartbeat=Heartbeat())
CLOSING = SessionResponse(closing=Closing(reason="draining"))


def followed(number):
    return SessionResponse(answers=[SessionAnswer(correlation_id=number, follow=SessionFollowed(job_id="a"))])


def event(sequence):
    return SessionUpdate(job_id="a", event=Event(sequence=sequence, item_started=ItemStarted(attempt=1)))


def end(sequence):
    return SessionUpdate(job_id="a", event=Event(sequence=sequence, job_finished=JobFinished(state=State.STATE_SUCCEEDED)))


async def told(client):
    """Follow a job from event 3 to its end."""
    async with client.session() as session, asyncio.timeout(20):
        await session.follow("a", after_sequence=3)
        await session.finish()
        return [update async for update in session.updates()]


def asked(gateway):
    """What was asked for, over all streams."""
    calls = [call for request in gateway.requests["SessionRequest"] for call in request.calls]
    return [(call.correlation_id, call.follow.job_id, call.follow.after_sequence) for call in calls]


@pytest.mark.parametrize("cut", [CLOSING, None], ids=["closing", "an early end"])
async def test_a_stream_that_ends_is_followed_by_another_after_the_last_event(gateway, client, cut):
    first = [followed(1), SessionResponse(updates=[event(4)])]
    gateway.streams += [
        [*first, cut] if cut else first,
        [HEARTBEAT, SessionResponse(updates=[event(4), end(5)]), gateway.never],
    ]
    assert await told(client) == [event(4), end(5)]
    assert asked(gateway) == [(1, "a", 3), (2, "a", 4)]


async def test_a_call_without_an_answer_is_asked_again(gateway, client):
    gateway.streams += [[], [followed(1), followed(2), SessionResponse(updates=[end(4)]), gateway.never]]
    assert await told(client) == [end(4)]
    assert {(job_id, after) for _, job_id, after in asked(gateway)} == {("a", 3)}


async def test_a_silent_session_is_taken_for_dead(gateway, server):
    gateway.streams += [
        [followed(1), SessionResponse(updates=[event(4)]), gateway.never],
        [followed(2), SessionResponse(updates=[end(5)]), gateway.never],
    ]
    async with AsyncClient(server.target, silence_s=0.5) as client:
        assert await told(client) == [event(4), end(5)]


async def test_a_gap_is_an_error(gateway, client):
    gateway.streams.append([followed(1), SessionResponse(updates=[event(5)]), gateway.never])
    with pytest.raises(ProtocolError, match="event 5 came after event 3"):
        await told(client)


async def test_a_service_without_sessions_is_not_asked_again(gateway, client):
    gateway.fail("Session", "UNIMPLEMENTED")
    with pytest.raises(MyeyeError) as refused:
        await told(client)
    assert refused.value.code is grpc.StatusCode.UNIMPLEMENTED
    assert len(gateway.requests["Session"]) == 1


async def test_it_gives_up_when_nobody_answers_for_too_long(gateway, server):
    gateway.streams.append([gateway.never])
    async with AsyncClient(server.target, resume_s=0.5) as client, client.session() as session, asyncio.timeout(20):
        following = asyncio.ensure_future(session.follow("a"))
        await gateway.called.wait()
        await server.stop()
        with pytest.raises(Unavailable):
            await following
