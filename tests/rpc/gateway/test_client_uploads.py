"""The Python client's uploads and a real gateway that restarts under them."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest

import myeye
from gateway.limits import Limits
from gateway.upload_intake import PART_BYTES
from myeye import AsyncClient
from myeye.v1.blob_service_pb2 import DownloadInputRequest

BODY = random.Random(3).randbytes(5 * PART_BYTES + 777)


async def downloaded(front, job_id: str) -> bytes:
    call = front.blob_stub.DownloadInput(DownloadInputRequest(job_id=job_id))
    return b"".join([message.body.data async for message in call])


@pytest.mark.parametrize("cuts", [1, 3])
async def test_an_upload_goes_on_through_restarts_and_does_not_begin_anew(start, cuts):
    passed = [asyncio.Event() for _ in range(cuts)]
    sent: list[int] = []

    def told(now: int, size: int) -> None:
        sent.append(now)
        for number, event in enumerate(passed, 1):
            if now > number * PART_BYTES + 1_000_000:
                event.set()

    async with start() as front:
        pass
    async with AsyncClient(front.target) as client, asyncio.timeout(60):
        uploading = asyncio.ensure_future(client.upload(BODY, progress=told))
        for event in passed:
            async with start(listen=front.target):
                await event.wait()
        async with start(listen=front.target) as front:
            job = await client.submit(("clip.mp4", await uploading))
            assert await downloaded(front, job.id) == BODY
    resumed = [now for before, now in itertools.pairwise(sent) if now <= before]
    assert all(now >= PART_BYTES for now in resumed)
    assert (sent[0], sent[-1]) == (0, len(BODY))


async def test_what_the_service_refuses_is_told_and_not_tried_again(start):
    async with start(Limits(max_upload_bytes=1_000_000)) as front, AsyncClient(front.target) as client:
        with pytest.raises(myeye.InvalidRequest) as caught:
            await client.upload(BODY)
        assert [violation.field for violation in caught.value.violations] == ["size_bytes"]
        assert (await client.upload(BODY[:1_000_000])).complete


async def test_a_large_picture_is_submitted_like_any_other(start):
    async with start() as front, AsyncClient(front.target) as client:
        jobs = await asyncio.gather(client.submit([BODY, b"small"]), client.submit(BODY))
        assert [len(job.items) for job in jobs] == [2, 1]
        assert await downloaded(front, jobs[0].id) == BODY
