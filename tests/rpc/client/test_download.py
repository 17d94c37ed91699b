"""The client's download: the whole picture, or an error."""

import asyncio

import pytest

import myeye


async def test_the_pieces_are_joined(blobs, client):
    assert await client.download("job0") == b"drawn on"
    assert await client.download("job0", 3, annotated=False) == b"handed in"
    assert [(request.job_id, request.item) for request in blobs.requests] == [("job0", 0), ("job0", 3)]


async def test_a_download_that_breaks_begins_again(blobs, client):
    blobs.fail("UNAVAILABLE", "BLOBS_UNAVAILABLE")
    assert await client.download("job0") == b"drawn on"
    assert len(blobs.requests) == 2


async def test_what_is_not_there_is_raised_and_not_tried_again(blobs, client):
    blobs.fail("NOT_FOUND", "ANNOTATED_NOT_FOUND")
    with pytest.raises(myeye.NotFound) as caught:
        await client.download("job0")
    assert caught.value.reason == "ANNOTATED_NOT_FOUND"
    assert len(blobs.requests) == 1


async def test_a_download_lasts_as_long_as_something_comes_and_no_longer(blobs, server):
    blobs.pause = asyncio.Event()
    async with myeye.AsyncClient(server.target, timeout_s=1.0, silence_s=0.5) as client:
        with pytest.raises(myeye.Unavailable, match="has come to a halt"):
            await client.download("job0")
        blobs.pause.set()
        assert await client.download("job0") == b"drawn on"


async def test_a_service_that_stays_away_is_unavailable(server):
    await server.stop()
    async with myeye.AsyncClient(server.target, timeout_s=0.5) as client:
        with pytest.raises(myeye.Unavailable):
            await client.download("job0")
