"""The journal: appending, knowing what came of it, and beginning anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from dispatch.codec import decode_record, spec_of, timestamp
from dispatch.errors import BrokerUnavailable, LogTruncated
from dispatch.events import Accepted, Cancelled, Enqueued, Marker
from dispatch.fold import Change
from dispatch.journal import Journal, new_event_id
from dispatch.ports import Record
from dispatch.v1 import event_pb2
from dispatch.v1.event_pb2 import JobSpec, StoredInput


class ToyLog:
    """A log in memory that can lose confirms, refuse, and be cut."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.refusals = 0
        self.lost_confirms = 0
        self.cut = False
        self.first = 0
        self._news = asyncio.Condition()

    async def append(self, body: bytes) -> None:
        if self.refusals:
            self.refusals -= 1
            raise BrokerUnavailable("refused")
        async with self._news:
            self.records.append(body)
            self._news.notify_all()
        if self.lost_confirms:
            self.lost_confirms -= 1
            raise BrokerUnavailable("confirm lost")

    async def truncate(self) -> None:
        async with self._news:
            self.cut = True
            self._news.notify_all()

    async def read(self, *, lookback_s: float | None = None) -> AsyncIterator[Sequence[Record]]:
        position = 0
        while True:
            async with self._news:
                await self._news.wait_for(lambda: self.cut or len(self.records) > position)  # noqa: B023
                if self.cut:
                    self.cut = False
                    raise LogTruncated("cut")
                batch = [Record(number, body) for number, body in enumerate(self.records)][position:]
            position += len(batch)
            yield batch

    async def oldest(self) -> int:
        return self.first


@asynccontextmanager
async def following(log: ToyLog, changes: list[Change] | None = None, resets: list[None] | None = None) -> AsyncIterator[Journal]:
    journal = Journal(
        log,
        on_change=lambda change: None if changes is None else changes.append(change),
        on_reset=lambda: None if resets is None else resets.append(None),
    )
    task = asyncio.ensure_future(journal.follow())
    async with asyncio.timeout(20):
        yield journal
    task.cancel()


def accepted(digest: bytes = b"d") -> Accepted:
    body = JobSpec(inputs=[StoredInput()], max_attempts=1).SerializeToString()
    return Accepted(id=new_event_id(), job_id="j", time_ns=1, spec=spec_of(body), digest=digest)


def enqueued() -> Enqueued:
    return Enqueued(id=new_event_id(), job_id="j", time_ns=2)


async def test_a_commit_returns_what_the_fold_made_of_the_event():
    async with following(ToyLog()) as journal:
        first = await journal.commit(accepted())
        second = await journal.commit(accepted(b"other"))
    assert first.applied
    assert second.ignored == "another request has this id"
    assert second.after == first.after


async def test_jobs_whose_beginning_the_log_has_dropped_are_known_until_they_are_forgotten():
    log = ToyLog()
    async with following(log) as journal:
        job = (await journal.commit(accepted())).after
        await journal.commit(enqueued())
        assert await journal.without_beginning() == []
        log.first = 1
        assert [each.id for each in await journal.without_beginning()] == [job.id]
        journal.forget(job.id)
        assert await journal.without_beginning() == []
        await journal.commit(accepted())
        assert await journal.without_beginning() == []


async def test_two_journals_of_one_log_give_the_same_verdicts():
    log = ToyLog()
    async with following(log) as one, following(log) as other:
        verdicts = await asyncio.gather(one.commit(accepted(b"one")), other.commit(accepted(b"other")))
        await other.barrier()
        assert sorted(verdict.applied for verdict in verdicts) == [False, True]
        assert one.fold.jobs == other.fold.jobs


async def test_events_of_one_turn_share_a_record():
    log = ToyLog()
    async with following(log) as journal:
        await asyncio.gather(*(journal.append(enqueued()) for _ in range(10)))
    assert [len(decode_record(record)) for record in log.records] == [10]


async def test_an_unconfirmed_commit_is_unavailable_for_all_in_its_record():
    log = ToyLog()
    log.refusals = 1
    async with following(log) as journal:
        outcomes = await asyncio.gather(*(journal.commit(enqueued()) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [BrokerUnavailable] * 3


async def test_insisting_outlives_refusals():
    log = ToyLog()
    log.refusals = 2
    async with following(log) as journal:
        assert (await journal.insist(accepted())).applied


async def test_insisting_after_a_lost_confirm_is_told_that_the_first_copy_counted():
    log = ToyLog()
    log.lost_confirms = 1
    async with following(log) as journal:
        change = await journal.insist(accepted())
        assert change.ignored == "accepted before"
        assert len(log.records) == 2
        assert change.after is not None


async def test_a_barrier_is_past_all_that_was_appended_before_it():
    log = ToyLog()
    async with following(log) as one, following(log) as other:
        await one.append(accepted())
        await other.barrier()
        assert "j" in other.fold.jobs


async def test_barriers_at_the_same_time_share_markers():
    log = ToyLog()
    async with following(log) as journal:
        await asyncio.gather(*(journal.barrier() for _ in range(50)))
    markers = [event for record in log.records for event in decode_record(record) if isinstance(event, Marker)]
    assert len(markers) <= 2


async def test_a_cut_log_is_read_again_from_the_start():
    log = ToyLog()
    changes: list[Change] = []
    resets: list[None] = []
    async with following(log, changes, resets) as journal:
        await journal.commit(accepted())
        del log.records[:]
        await log.truncate()
        verdict = await journal.commit(Cancelled(id=new_event_id(), job_id="j", time_ns=3, reason=""))
    assert resets == [None]
    assert verdict.ignored == "no such job", "what the log does not hold any more is not known any more"


async def test_a_cancelled_caller_does_not_take_the_others_with_it():
    log = ToyLog()
    async with following(log) as journal:
        async with log._news:
            waiting = [asyncio.ensure_future(journal.append(enqueued())) for _ in range(2)]
            await asyncio.sleep(0)
            waiting[0].cancel()
        await waiting[1]
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]


def _record(**kind: object) -> event_pb2.Event:
    return event_pb2.Event(id=new_event_id(), job_id="job", time=timestamp(1), **kind)


def _accepted(**changes: object) -> event_pb2.Event:
    fields = {"inputs": [StoredInput()], "max_attempts": 1} | changes
    return _record(accepted=event_pb2.Accepted(spec=JobSpec(**fields)))


def _with(event: event_pb2.Event, **changes: object) -> event_pb2.Event:
    for name, value in changes.items():
        event.ClearField(name)
        event.MergeFrom(event_pb2.Event(**{name: value}))
    return event


@pytest.mark.parametrize(
    "strange",
    [
        _record(),
        event_pb2.Event.FromString(_record().SerializeToString() + b"\xf2\x06\x02hi"),  # field 110: of a later version
        _accepted(inputs=[]),
        _accepted(max_attempts=0),
        _accepted(priority=99),
        _accepted(model="m" * 129),
        _accepted(ttl=Duration(seconds=-1)),
        _accepted(ttl=Duration(seconds=2**62)),
        _accepted(start_deadline=Duration(seconds=2**62)),
        _with(_accepted(), job_id="../../other"),
        _with(_accepted(), job_id="other/0"),
        _with(_accepted(), job_id=""),
        _with(_record(enqueued=event_pb2.Enqueued()), time=Timestamp(seconds=-1)),
        _with(_record(enqueued=event_pb2.Enqueued()), time=Timestamp(seconds=2**62)),
        _record(frames_found=event_pb2.FramesFound(first_frame=-1)),
    ],
)
async def test_what_is_not_known_or_cannot_be_is_left_out_with_one_line_and_stops_no_reader(
    strange: event_pb2.Event, caplog: pytest.LogCaptureFixture
) -> None:
    log, changes = ToyLog(), list[Change]()
    good = event_pb2.Event(id=b"good", job_id="job", time=timestamp(1), enqueued=event_pb2.Enqueued())
    log.records += [
        event_pb2.Record(events=[strange, good]).SerializeToString(),
        b"\xff garbage",
    ]
    async with following(log, changes) as journal:
        await journal.barrier()
    assert [change.event.id for change in changes][:1] == [b"good"]
    assert len(changes) == 2, "the good one, and the marker"
    assert [("was left out" in record.message, record.levelname) for record in caplog.records] == [(True, "ERROR")] * 2
