"""Submit over a blob store that is slow: what a client left in the middle of is not left behind."""

from __future__ import annotations

import asyncio

import pytest

from gateway import server
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.job_pb2 import Input

LIMIT_S = 20.0


async def test_a_client_that_leaves_while_pictures_are_stored_leaves_none(start, monkeypatch):
    begun, go_on, gone = asyncio.Event(), asyncio.Event(), asyncio.Event()
    open_blobs = server.open_blobs

    def open_slow_blobs(url: str):
        blobs = open_blobs(url)
        put, delete_prefix = blobs.put, blobs.delete_prefix

        async def slow_put(name: str, data: bytes) -> None:
            if name.startswith("jobs/"):
                begun.set()
                await go_on.wait()
            await put(name, data)

        async def watched_delete(prefix: str) -> None:
            await delete_prefix(prefix)
            if prefix.startswith("jobs/"):
                gone.set()

        blobs.put, blobs.delete_prefix = slow_put, watched_delete
        return blobs

    monkeypatch.setattr(server, "open_blobs", open_slow_blobs)
    async with start() as front, asyncio.timeout(LIMIT_S):
        call = front.stub.Submit(pb.SubmitRequest(inputs=[Input(content=b"a"), Input(content=b"b")]))
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        go_on.set()
        await gone.wait()
        assert front.blobs == []
        assert not (await front.stub.List(pb.ListRequest())).jobs
