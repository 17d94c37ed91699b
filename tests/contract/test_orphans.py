"""Pictures without a job, on every blob store and beside every broker: removed when they are certainly nobody's, never before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from dispatch.codec import spec_of
from dispatch.events import Accepted, Event, Purged
from dispatch.journal import new_event_id
from dispatch.ports import BlobStore, Broker
from dispatch.v1.event_pb2 import JobSpec, StoredInput
from gateway.ids import job_id
from gateway.order import Folder
from gateway.orphans import ORPHAN_AGE_S, Orphans
from gateway.store import Store
from gateway.submit import STORING_LIMIT_S


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def store(broker: Broker) -> AsyncIterator[Store]:
    """A gateway's view of the log, read to its end."""
    store = Store(broker.log)
    following = asyncio.ensure_future(store.journal.follow())
    await store.journal.barrier()
    store.caught_up = True
    yield store
    following.cancel()
    await asyncio.wait({following})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def orphans(store: Store, blobs: BlobStore, clock: Clock) -> Orphans:
    return Orphans(store, blobs, clock=clock)


def event(kind: type[Event], job: str, **fields: object) -> Event:
    return kind(id=new_event_id(), job_id=job, time_ns=time.time_ns(), **fields)


def accepted(folder: Folder) -> Event:
    spec = JobSpec(inputs=[StoredInput(blob=f"{folder.prefix}0/input")], model="m", max_attempts=1)
    return event(Accepted, folder.job_id, spec=spec_of(spec.SerializeToString()), digest=b"d")


async def stored(blobs: BlobStore, writer: str, job: str = "") -> Folder:
    folder = Folder(job or job_id("", "", ""), writer, new_event_id().hex())
    for blob in ("0/input", "1/input"):
        await blobs.put(folder.prefix + blob, b"picture")
    return folder


async def folders(blobs: BlobStore) -> set[str]:
    return {blob.name.removesuffix("0/input").removesuffix("1/input") for blob in await blobs.list("jobs/")}


async def test_a_folder_without_a_job_goes_at_the_age_limit_and_not_before(
    store: Store, blobs: BlobStore, clock: Clock, orphans: Orphans
) -> None:
    folder = await stored(blobs, store.journal.writer)
    await orphans.sweep()
    clock.now_s = ORPHAN_AGE_S - 1
    await orphans.sweep()
    assert await folders(blobs) == {folder.prefix}
    clock.now_s = ORPHAN_AGE_S
    await orphans.sweep()
    assert await folders(blobs) == set()
    assert STORING_LIMIT_S < ORPHAN_AGE_S / 2, "no Submit goes on with pictures that could be taken for orphans"


async def test_it_is_the_time_without_a_job_that_counts(store: Store, blobs: BlobStore, clock: Clock, orphans: Orphans) -> None:
    """A Submit under way looks like an orphan until its job is accepted, and the blobs of a job that was removed become one."""
    folder = await stored(blobs, store.journal.writer)
    await orphans.sweep()
    clock.now_s = ORPHAN_AGE_S / 2
    await store.journal.commit(accepted(folder))
    for clock.now_s in (ORPHAN_AGE_S, 10 * ORPHAN_AGE_S):
        await orphans.sweep()
        assert await folders(blobs) == {folder.prefix}
    assert (await store.journal.commit(event(Purged, folder.job_id))).ignored == "the job is QUEUED"


async def test_what_an_earlier_submit_left_goes_while_its_job_stays(
    store: Store, blobs: BlobStore, clock: Clock, orphans: Orphans
) -> None:
    left = await stored(blobs, store.journal.writer)
    held = await stored(blobs, store.journal.writer, left.job_id)
    await store.journal.commit(accepted(held))
    for clock.now_s in (0.0, ORPHAN_AGE_S):
        await orphans.sweep()
    assert await folders(blobs) == {held.prefix}


async def test_what_another_gateway_of_the_log_stored_is_judged_and_what_another_log_holds_is_not(
    store: Store, blobs: BlobStore, clock: Clock, orphans: Orphans, another_broker: Broker
) -> None:
    other = Store(another_broker.log)
    following = asyncio.ensure_future(other.journal.follow())
    await other.journal.barrier()
    following.cancel()
    await stored(blobs, other.journal.writer)
    foreign = await stored(blobs, "0123456789ab")
    await blobs.put("jobs/of-an-earlier-version/0/input", b"picture")
    for clock.now_s in (0.0, ORPHAN_AGE_S):
        await orphans.sweep()
    assert await folders(blobs) == {foreign.prefix, "jobs/of-an-earlier-version/"}


async def test_nothing_is_judged_by_a_log_that_is_still_being_read(
    store: Store, blobs: BlobStore, clock: Clock, orphans: Orphans
) -> None:
    folder = await stored(blobs, store.journal.writer)
    store.caught_up = False
    for clock.now_s in (0.0, ORPHAN_AGE_S):
        await orphans.sweep()
    assert await folders(blobs) == {folder.prefix}
