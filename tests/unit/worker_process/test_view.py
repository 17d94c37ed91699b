"""The view answers one question, "is this item mine?", from the log and for as long as the run lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence

import pytest

from dispatch.codec import spec_of
from dispatch.errors import LogTruncated
from dispatch.events import Accepted, Cancelled, Event, Purged, Refused, Started, Succeeded
from dispatch.journal import new_event_id
from dispatch.ports import Record
from dispatch.v1.event_pb2 import JobSpec, StoredInput
from worker.view import Claim, ItemLost, View


class Paper:
    """An event log in memory; `cut` makes it fail its reader once, as a shortened log does."""

    def __init__(self) -> None:
        self._records: list[bytes] = []
        self._news = asyncio.Event()
        self.cut = False

    async def append(self, body: bytes) -> None:
        self._records.append(body)
        self._news.set()

    async def read(self, *, lookback_s: float | None = None) -> AsyncIterator[Sequence[Record]]:
        at = 0
        while True:
            if self.cut:
                self.cut = False
                raise LogTruncated("cut")
            yield [Record(number, body) for number, body in enumerate(self._records)][at:]
            at = len(self._records)
            self._news.clear()
            await self._news.wait()

    async def oldest(self) -> int:
        return 0


class Scribe:
    """Writes the events of jobs, each with one item, through the view's own journal."""

    def __init__(self, paper: Paper, *, remembered: int = 100) -> None:
        self.view = View(paper, lookback_s=1.0, remembered=remembered)

    async def write(self, kind: type[Event], job_id: str, **fields: object) -> None:
        await self.view.journal.commit(kind(id=new_event_id(), job_id=job_id, time_ns=1, **fields))

    async def accept(self, job_id: str) -> None:
        spec = spec_of(JobSpec(inputs=[StoredInput()], max_attempts=3).SerializeToString())
        await self.write(Accepted, job_id, spec=spec, digest=b"")

    async def start(self, claim: Claim, task_id: str = "t") -> None:
        accepted_id = self.view.journal.fold.jobs[claim.job_id].accepted_id
        await self.write(
            Started, claim.job_id, item=claim.item, task_id=task_id, run_id=claim.run_id, worker="w", accepted_id=accepted_id
        )


@pytest.fixture
def paper() -> Paper:
    return Paper()


@pytest.fixture
async def scribe(paper: Paper) -> AsyncIterator[Scribe]:
    scribe = Scribe(paper, remembered=2)
    following = asyncio.create_task(scribe.view.journal.follow())
    yield scribe
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


CLAIM = Claim("job", 0, "run")


async def hold(scribe: Scribe, meanwhile: Awaitable[None] | None = None) -> None:
    """Hold the item for as long as it may be held."""
    async with asyncio.timeout(10), scribe.view.holding(CLAIM):
        if meanwhile is not None:
            await meanwhile
        await asyncio.Event().wait()


async def test_an_item_is_owned_from_its_start_to_its_end(scribe: Scribe) -> None:
    await scribe.accept("job")
    assert not scribe.view.owned(CLAIM)
    await scribe.start(CLAIM)
    assert scribe.view.owned(CLAIM)
    await scribe.write(Succeeded, "job", item=0, run_id="run", result=b"", timings=b"")
    assert not scribe.view.owned(CLAIM)


async def test_an_item_of_a_job_that_the_log_does_not_tell_of_is_owned(scribe: Scribe) -> None:
    assert scribe.view.owned(CLAIM)
    assert not scribe.view.knows("job")


async def test_an_item_that_there_is_not_is_never_owned(scribe: Scribe) -> None:
    await scribe.accept("job")
    assert not scribe.view.owned(Claim("job", 7, "run"))


@pytest.mark.parametrize("kind", [Cancelled, Purged, Refused])
async def test_a_job_can_be_known_to_have_ended_without_its_beginning(scribe: Scribe, kind: type[Event]) -> None:
    await scribe.write(kind, "job", **({} if kind is Purged else {"reason": ""}))
    assert not scribe.view.owned(CLAIM)


async def test_of_ended_jobs_only_the_last_ids_are_kept(scribe: Scribe) -> None:
    for job_id in ("one", "two", "three"):
        await scribe.accept(job_id)
        await scribe.write(Cancelled, job_id, reason="")
    assert scribe.view.journal.fold.jobs == {}
    assert [scribe.view.knows(job_id) for job_id in ("one", "two", "three")] == [False, True, True]


async def test_a_job_refused_and_then_accepted_is_under_way(scribe: Scribe) -> None:
    await scribe.accept("job")
    await scribe.write(Refused, "job", reason="the queue was full")
    await scribe.accept("job")
    await scribe.start(CLAIM)
    assert scribe.view.owned(CLAIM)


async def test_a_held_item_is_lost_when_its_job_is_cancelled(scribe: Scribe) -> None:
    await scribe.accept("job")
    await scribe.start(CLAIM)
    with pytest.raises(ItemLost):
        await hold(scribe, scribe.write(Cancelled, "job", reason=""))


async def test_a_held_item_is_lost_when_another_run_starts_under_its_task(scribe: Scribe) -> None:
    await scribe.accept("job")
    await scribe.start(CLAIM)
    with pytest.raises(ItemLost):
        await hold(scribe, scribe.start(Claim("job", 0, "another")))


async def test_an_item_lost_before_it_is_held_stops_the_body_at_once(scribe: Scribe) -> None:
    await scribe.accept("job")
    await scribe.start(CLAIM)
    await scribe.write(Cancelled, "job", reason="")
    with pytest.raises(ItemLost):
        await hold(scribe)


async def test_a_duplicates_start_does_not_stop_the_run(scribe: Scribe) -> None:
    await scribe.accept("job")
    await scribe.start(CLAIM)
    async with scribe.view.holding(CLAIM):
        await scribe.start(Claim("job", 0, "another"), task_id="another")
        await scribe.view.journal.barrier()
    assert scribe.view.owned(CLAIM)


async def test_the_bodys_own_timeout_is_no_loss(scribe: Scribe) -> None:
    await scribe.accept("job")
    await scribe.start(CLAIM)
    with pytest.raises(TimeoutError):
        async with scribe.view.holding(CLAIM):
            raise TimeoutError


async def test_reading_a_cut_log_anew_stops_no_run(scribe: Scribe, paper: Paper) -> None:
    await scribe.accept("job")
    await scribe.start(Claim("job", 0, "an earlier run"))
    await scribe.start(CLAIM)
    async with scribe.view.holding(CLAIM):
        paper.cut = True
        await scribe.view.journal.barrier()
    assert scribe.view.owned(CLAIM)
