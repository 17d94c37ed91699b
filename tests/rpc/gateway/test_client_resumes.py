"""The Python client and a real gateway that restarts under it."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from myeye import AsyncClient


async def read_to(updates, job_ids, told):
    """Note the events of each job until all of `job_ids` have ended."""
    ended = set()
    async with asyncio.timeout(20):
        while ended != set(job_ids):
            update = await anext(updates)
            if update.HasField("snapshot"):
                told[update.job_id].append(update.snapshot.last_sequence)
            elif update.HasField("event"):
                told[update.job_id].append(update.event.sequence)
                if update.event.HasField("job_finished"):
                    ended.add(update.job_id)


async def finish(hand, count):
    async with hand.taking() as deliveries:
        for _ in range(count):
            await hand.finish_next(deliveries, "cat")


async def test_named_jobs_are_told_without_a_gap_across_a_restart(start, hand):
    told = defaultdict(list)
    async with start() as front:
        jobs = [(await front.submit()).id for _ in range(2)]
    async with AsyncClient(front.target) as client:
        updates = client.watch_many(dict.fromkeys(jobs, 0))
        async with start(listen=front.target):
            first = await anext(updates)
            told[first.job_id].append(first.event.sequence)
        await finish(hand, 2)
        async with start(listen=front.target):
            await read_to(updates, jobs, told)
            assert [update async for update in updates] == []
    assert told == {job_id: [1, 2, 3, 4] for job_id in jobs}


async def test_labelled_jobs_are_told_without_a_gap_across_a_restart(start, hand):
    told = defaultdict(list)
    async with start() as front:
        before = (await front.submit(labels={"a": "1"})).id
    async with AsyncClient(front.target) as client:
        updates = client.watch_many(labels=["a"])
        async with start(listen=front.target):
            assert (await anext(updates)).snapshot.last_sequence == 1
        await finish(hand, 1)
        async with start(listen=front.target) as front:
            await read_to(updates, [before], told)
            after = (await front.submit(labels={"a": "2"})).id
            reading = asyncio.ensure_future(read_to(updates, [after], told))
            await finish(hand, 1)
            await reading
        await updates.aclose()
    assert told == {before: [2, 3, 4], after: [1, 2, 3, 4]}


async def test_a_picture_is_downloaded(front):
    job = await front.submit(2)
    async with AsyncClient(front.target) as client:
        assert await client.download(job.id, 1, annotated=False) == b"picture 1"
