"""Sessions of the Python client with a real gateway, which restarts under them or has little room."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager

import pytest

from gateway.limits import Limits
from myeye import AsyncClient, Client, Detail, InvalidRequest, NotFound, State, Unavailable, reason

LIMIT_S = 20
PICTURES = [b"picture %d" % number for number in range(12)]


@asynccontextmanager
async def working(hand):
    """Finish whatever comes."""

    async def work():
        async with hand.taking() as deliveries:
            while True:
                await hand.finish_next(deliveries, "cat")

    task = asyncio.ensure_future(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def finish(hand, count):
    async with hand.taking() as deliveries:
        for _ in range(count):
            await hand.finish_next(deliveries, "cat")


@pytest.fixture
async def client(front):
    async with AsyncClient(front.target) as client, asyncio.timeout(LIMIT_S):
        yield client


async def test_every_job_is_told_from_its_answer_to_its_end(client, hand):
    told = defaultdict(list)
    async with working(hand), client.session() as session:
        jobs = await asyncio.gather(*(session.submit(picture) for picture in PICTURES))
        await session.finish()
        async for update in session.updates():
            told[update.job_id].append(update.event.sequence)
    assert told == {job.id: list(range(job.last_sequence + 1, 5)) for job in jobs if job.last_sequence < 4}


async def test_progress_is_told_to_who_asks_for_it(client):
    async with client.session(Detail.PROGRESS) as session:
        job = await session.submit(PICTURES[0])
        update = await anext(session.updates())
        assert (update.job_id, update.HasField("queue")) == (job.id, True)


async def test_another_job_is_followed_and_one_can_be_cancelled(client, front, hand):
    there = await front.submit()
    async with client.session() as session:
        await session.follow(there.id, after_sequence=0)
        own = await session.submit(PICTURES[0])
        assert (await session.cancel(own.id)).state == State.STATE_CANCELLED
        await finish(hand, 1)
        await session.finish()
        told = [(update.job_id, update.event.sequence) async for update in session.updates()]
    assert [sequence for job_id, sequence in told if job_id == there.id] == [1, 2, 3, 4]
    assert [sequence for job_id, sequence in told if job_id == own.id] == [2, 3]


async def test_what_a_call_is_refused_with_is_raised_by_it_and_the_session_goes_on(client, hand):
    async with client.session(Detail.ENDS) as session:
        with pytest.raises(InvalidRequest) as refused:
            await session.submit(PICTURES[0], max_attempts=99)
        assert [violation.field for violation in refused.value.violations] == ["max_attempts"]
        with pytest.raises(NotFound):
            await session.follow("a" * 26)
        job = await session.submit(PICTURES[0])
        await finish(hand, 1)
        await session.finish()
        (update,) = [update async for update in session.updates()]
        assert update.snapshot == await client.get(job.id)


async def test_nothing_is_lost_or_told_twice_when_the_gateway_restarts_under_it(start, hand):
    told = defaultdict(list)
    async with start() as front:
        there = (await front.submit()).id
    async with AsyncClient(front.target) as client, client.session() as session, asyncio.timeout(2 * LIMIT_S):
        updates = session.updates()
        async with start(listen=front.target):
            await session.follow(there, after_sequence=0)
            told[there].append((await anext(updates)).event.sequence)
            one = await session.submit(PICTURES[0])
        late = asyncio.ensure_future(session.submit(PICTURES[1]))
        await finish(hand, 2)
        async with start(listen=front.target):
            other = await late
            await finish(hand, 1)
            await session.finish()
            async for update in updates:
                told[update.job_id].append(update.event.sequence)
    assert told == {there: [1, 2, 3, 4], one.id: [2, 3, 4], other.id: [2, 3, 4]}


async def test_a_job_that_was_removed_meanwhile_is_said_to_be_gone(start, hand):
    async with start() as front:
        pass
    async with AsyncClient(front.target) as client, client.session() as session, asyncio.timeout(2 * LIMIT_S):
        async with start(listen=front.target):
            job = await session.submit(PICTURES[1])
        await finish(hand, 1)
        async with start() as other, AsyncClient(other.target) as remover:
            await remover.wait(job.id)
            await remover.delete(job.id)
        async with start(listen=front.target):
            (gone,) = [update async for update in _to_the_end(session)]
    assert (gone.job_id, reason(gone.error)) == (job.id, "JOB_PURGED")


async def _to_the_end(session):
    await session.finish()
    async for update in session.updates():
        yield update


@pytest.mark.parametrize(
    "limits",
    [
        Limits(),
        Limits(max_session_calls=1),
        Limits(max_session_jobs=2),
        Limits(max_session_updates=1),
        Limits(max_session_calls=3, max_session_jobs=4, max_session_updates=2),
    ],
    ids=["room", "calls", "jobs", "updates", "all"],
)
async def test_many_are_given_back_with_their_jobs_within_whatever_windows(start, hand, limits):
    async with start(limits) as front, AsyncClient(front.target) as client, working(hand), asyncio.timeout(LIMIT_S):
        given = {picture: job async for picture, job in client.detect_many(iter(PICTURES), labels={"a": "1"})}
        assert sorted(given) == sorted(PICTURES)
        assert {job.state for job in given.values()} == {State.STATE_SUCCEEDED}
        assert {job.id async for job in client.list(labels=["a"])} == {job.id for job in given.values()}


async def test_many_with_a_request_id_make_the_same_jobs_again(client, hand):
    async with working(hand):
        first = {picture: job.id async for picture, job in client.detect_many(PICTURES, request_id="mine")}
    again = {picture: job.id async for picture, job in client.detect_many(PICTURES, request_id="mine")}
    assert again == first


async def test_many_wait_while_the_queue_is_full(start, hand):
    async with start(max_queue_length=2) as front, AsyncClient(front.target) as client, asyncio.timeout(2 * LIMIT_S):
        ended = client.detect_many(PICTURES[:5])
        first = asyncio.ensure_future(anext(ended))
        async with working(hand):
            jobs = [(await first)[1], *[job async for _, job in ended]]
    assert len({job.id for job in jobs}) == 5


async def test_many_of_which_one_is_refused_raise_it(client):
    with pytest.raises(InvalidRequest):
        [each async for each in client.detect_many(PICTURES, max_attempts=99)]


async def test_leaving_a_session_leaves_its_jobs(client):
    async with client.session() as session:
        job = await session.submit(PICTURES[0])
    assert (await client.get(job.id)).state == State.STATE_QUEUED
    with pytest.raises(Unavailable, match="left"):
        await session.submit(PICTURES[0])


async def test_both_faces_have_sessions(front, hand):
    def use():
        with Client(front.target) as client:
            given = dict(client.detect_many(PICTURES[:3]))
            with client.session(Detail.ENDS) as session:
                job = session.submit(PICTURES[4])
                session.finish()
                (update,) = session.updates()
            return given, job, update

    async with working(hand), asyncio.timeout(LIMIT_S):
        given, job, update = await asyncio.to_thread(use)
    assert sorted(given) == PICTURES[:3]
    assert update.snapshot.id == job.id


async def test_a_slow_reader_is_told_all_and_the_gateway_keeps_no_more_than_cursors(start, hand):
    async with (
        start(Limits(max_session_updates=2)) as front,
        AsyncClient(front.target) as client,
        client.session() as session,
        asyncio.timeout(LIMIT_S),
    ):
        jobs = [(await session.submit(picture)).id for picture in PICTURES[:4]]
        await finish(hand, len(jobs))
        await asyncio.gather(*(client.wait(job_id) for job_id in jobs))
        await session.finish()
        told = defaultdict(list)
        async for update in session.updates():
            told[update.job_id].append(update.event.sequence)
    assert told == {job_id: [2, 3, 4] for job_id in jobs}


async def test_calls_beyond_the_window_wait_and_none_is_refused(start):
    async with (
        start(Limits(max_session_calls=2)) as front,
        AsyncClient(front.target) as client,
        client.session() as session,
        asyncio.timeout(LIMIT_S),
    ):
        answers = await asyncio.gather(*(session.cancel("a" * 26) for _ in range(20)), return_exceptions=True)
    assert [answer.reason for answer in answers] == ["JOB_NOT_FOUND"] * 20
