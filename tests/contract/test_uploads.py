"""Uploads on every blob store: all that is known of one is in the store, and the store alone makes them whole."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncIterator

import pytest

from dispatch.ports import BlobStore
from gateway.errors import UploadCorrupt, UploadNotFound
from gateway.limits import Limits
from gateway.upload_expiry import remove_expired
from gateway.upload_intake import PART_BYTES
from gateway.upload_target import Target
from gateway.uploads import Uploads

ID = "the-upload-of-this-test"
BODY = random.Random(11).randbytes(2 * PART_BYTES + 1_000_000)
TARGET = Target(ID, len(BODY), hashlib.sha256(BODY).hexdigest(), 0)


async def pieces(body: bytes, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
    for begin in range(start, len(body) if end is None else end, 300_000):
        yield body[begin : begin + 300_000 if end is None else min(end, begin + 300_000)]


def at(offset: int) -> Target:
    return Target(ID, TARGET.size, TARGET.sha256, offset)


async def test_one_gateway_goes_on_with_what_another_began_and_a_job_gets_a_copy(blobs: BlobStore) -> None:
    one, other = Uploads(blobs, Limits()), Uploads(blobs, Limits())
    cut = PART_BYTES + 500_000
    assert (await one.receive("ann", TARGET, pieces(BODY, 0, cut))).received == cut
    assert (await other.get("ann", ID)).received == cut
    assert (await other.receive("ann", at(cut), pieces(BODY, cut))).complete
    whole = (await one.wholes("ann", [ID]))[ID]
    assert (whole.size, whole.sha256.hex(), whole.head) == (len(BODY), TARGET.sha256, BODY[: len(whole.head)])
    assert len(await blobs.list("uploads/")) == 2
    await blobs.copy(whole.blob, "jobs/a/0/input")
    await remove_expired(blobs, time.time_ns() + int(60e9))
    assert await blobs.list("uploads/") == []
    assert await blobs.get("jobs/a/0/input") == BODY
    with pytest.raises(UploadNotFound):
        await one.get("ann", ID)


async def test_calls_at_once_on_several_gateways_make_one_whole(blobs: BlobStore) -> None:
    gateways = [Uploads(blobs, Limits()) for _ in range(3)]
    states = await asyncio.gather(*(gateway.receive("ann", TARGET, pieces(BODY)) for gateway in gateways))
    assert all(state.complete for state in states)
    assert await blobs.get((await gateways[0].wholes("ann", [ID]))[ID].blob) == BODY


async def test_a_wrong_hash_leaves_nothing(blobs: BlobStore) -> None:
    uploads = Uploads(blobs, Limits())
    with pytest.raises(UploadCorrupt):
        await uploads.receive("ann", TARGET, pieces(BODY[::-1]))
    assert await blobs.list("uploads/") == []
    assert (await uploads.receive("ann", TARGET, pieces(BODY))).complete
