"""Session: many jobs over one stream, each call as the method of its own, each event with the bytes of Watch."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from gateway.limits import Limits
from gateway.session_frame import MOST_UPDATES, Frame
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from myeye.v1.job_pb2 import STATE_CANCELLED, STATE_QUEUED, STATE_SUCCEEDED, Input

LIMIT_S = 20
ENDS = pb.SessionRequest(open=pb.SessionOptions(detail=pb.SessionOptions.DETAIL_ENDS))
PROGRESS = pb.SessionRequest(open=pb.SessionOptions(detail=pb.SessionOptions.DETAIL_PROGRESS))


class Talk:
    """A session by hand. Reads message by message, and keeps what was read and not asked for."""

    def __init__(self, stub: DetectionServiceStub) -> None:
        self.call: Any = stub.Session()
        self.messages: list[pb.SessionResponse] = []
        self.answers: dict[int, pb.SessionAnswer] = {}
        self.updates: list[pb.SessionUpdate] = []

    async def send(self, *calls: pb.SessionCall, **fields: Any) -> None:
        await self.call.write(pb.SessionRequest(calls=calls, **fields))

    async def read(self) -> bool:
        """Read one message; False at the end."""
        message = await self.call.read()
        if message is grpc.aio.EOF:
            return False
        self.messages.append(message)
        for answer in message.answers:
            assert answer.correlation_id not in self.answers
            self.answers[answer.correlation_id] = answer
        self.updates += message.updates
        return True

    async def answer(self, correlation_id: int) -> pb.SessionAnswer:
        while correlation_id not in self.answers:
            assert await self.read()
        return self.answers.pop(correlation_id)

    async def update(self) -> pb.SessionUpdate:
        while not self.updates:
            assert await self.read()
        return self.updates.pop(0)

    async def finish(self) -> None:
        """Half-close, and read to the end, which must be OK."""
        await self.call.done_writing()
        while await self.read():
            pass
        assert await self.call.code() is grpc.StatusCode.OK

    def stories(self) -> dict[str, list[Any]]:
        told = defaultdict(list)
        for update in self.updates:
            told[update.job_id].append(update.event)
        return told


@asynccontextmanager
async def talk_to(front) -> AsyncIterator[Talk]:
    async with asyncio.timeout(LIMIT_S):
        talk = Talk(front.stub)
        yield talk
        talk.call.cancel()


@pytest.fixture
async def talk(front):
    async with talk_to(front) as talk:
        yield talk


def submit(number, name="p", **fields):
    inputs = fields.pop("inputs", None) or [Input(name=name, content=b"picture %d" % number)]
    return pb.SessionCall(correlation_id=number, submit=pb.SubmitRequest(inputs=inputs, **fields))


def follow(number, job_id, after=None):
    return pb.SessionCall(correlation_id=number, follow=pb.WatchTarget(job_id=job_id, after_sequence=after))


def cancel(number, job_id, reason=""):
    return pb.SessionCall(correlation_id=number, cancel=pb.CancelRequest(job_id=job_id, reason=reason))


def reason_of(status):
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "myeye"
    return info.reason


async def finish(hand, count=1):
    async with hand.taking() as deliveries:
        for _ in range(count):
            await hand.finish_next(deliveries, "cat")


async def test_jobs_that_come_together_are_accepted_and_told_to_their_ends(talk, hand):
    await talk.send(*(submit(number) for number in range(5)))
    jobs = {(await talk.answer(number)).submit.job.id for number in range(5)}
    assert len(jobs) == 5
    ending = asyncio.ensure_future(talk.finish())
    await finish(hand, 5)
    await ending
    told = talk.stories()
    assert set(told) == jobs
    for events in told.values():
        assert [event.sequence for event in events] == [2, 3, 4]
        assert events[-1].job_finished.state == STATE_SUCCEEDED


async def test_the_first_message_comes_at_once_with_the_windows_that_the_limits_tell(front, talk):
    assert await talk.read()
    limits = (await front.stub.GetCapabilities(pb.GetCapabilitiesRequest())).limits
    window = talk.messages[0].window
    assert (window.calls, window.jobs, window.updates) == (
        limits.max_session_calls,
        limits.max_session_jobs,
        limits.max_session_updates,
    )
    assert window.calls > 0


async def test_an_answer_is_that_of_submit_and_the_job_is_everybodys(front, talk):
    await talk.send(submit(1, request_id="a", labels={"shelf": "3"}))
    accepted = (await talk.answer(1)).submit
    again = await front.stub.Submit(submit(1, request_id="a", labels={"shelf": "3"}).submit)
    assert (accepted.replayed, again.replayed) == (False, True)
    assert accepted.job.id == again.job.id
    assert (accepted.job.state, accepted.job.last_sequence, dict(accepted.job.labels)) == (STATE_QUEUED, 1, {"shelf": "3"})


async def test_events_have_the_bytes_that_watch_gives(front, talk, hand):
    job = await front.submit()
    await finish(hand)
    await talk.send(follow(1, job.id, 0))
    await talk.finish()
    alone = [event.SerializeToString(deterministic=True) for event in await front.events(job.id)]
    assert [update.event.SerializeToString(deterministic=True) for update in talk.updates] == alone


async def test_other_jobs_can_be_followed_from_a_cursor_or_with_a_snapshot(front, talk, hand):
    one, other = await front.submit(), await front.submit()
    await finish(hand, 2)
    await talk.send(follow(1, one.id, 2), follow(2, other.id))
    await talk.finish()
    assert talk.answers[1].follow.job_id == one.id
    assert [update.event.sequence for update in talk.updates if update.job_id == one.id] == [3, 4]
    (snapshot,) = [update for update in talk.updates if update.job_id == other.id]
    assert (snapshot.snapshot.state, snapshot.snapshot.last_sequence) == (STATE_SUCCEEDED, 4)


async def test_ends_alone_are_one_snapshot_a_job_as_get_gives_it(front, talk, hand):
    await talk.call.write(ENDS)
    there = await front.submit()
    await talk.send(submit(1), follow(2, there.id, 0))
    job = (await talk.answer(1)).submit.job
    ending = asyncio.ensure_future(talk.finish())
    await finish(hand, 2)
    await ending
    assert {update.job_id: update.snapshot for update in talk.updates} == {
        each.id: (await front.stub.Get(pb.GetRequest(job_id=each.id))).job for each in (job, there)
    }
    assert len(talk.updates) == 2


async def test_places_in_the_queue_are_told_to_who_asks_for_progress(talk):
    await talk.call.write(PROGRESS)
    await talk.send(submit(1))
    update = await talk.update()
    assert update.HasField("queue")
    assert update.job_id == (await talk.answer(1)).submit.job.id


async def test_a_refused_call_is_answered_as_by_its_own_method_and_the_others_go_on(front, talk, refused):
    bad = submit(1, inputs=[Input(name="p")], max_attempts=99)
    await talk.send(bad, submit(2, model="none"), follow(3, "a" * 26), follow(4, "../etc"), submit(5))
    job = (await talk.answer(5)).submit.job
    await talk.send(follow(6, job.id, 2), cancel(7, "b" * 26), cancel(8, job.id, "x" * 257))
    told = {number: (await talk.answer(number)).error for number in (1, 2, 3, 4, 6, 7, 8)}
    assert {number: (grpc.StatusCode(_code(error)), reason_of(error)) for number, error in told.items()} == {
        1: (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        2: (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND"),
        3: (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND"),
        4: (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND"),
        6: (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_OUT_OF_RANGE"),
        7: (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND"),
        8: (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
    }
    details = await refused(front.stub.Submit(bad.submit), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    same = error_details_pb2.BadRequest()
    assert told[1].details[1].Unpack(same)
    assert same == details["BadRequest"]


def _code(error):
    return next(code.value for code in grpc.StatusCode if code.value[0] == error.code)


async def test_a_request_id_used_again_is_replayed_or_refused_as_by_submit(talk, hand):
    await talk.send(submit(1, request_id="a"))
    first = (await talk.answer(1)).submit
    await finish(hand)
    while not (talk.updates and talk.updates[-1].event.HasField("job_finished")):
        await talk.read()
    same = submit(1, request_id="a").submit
    await talk.send(pb.SessionCall(correlation_id=2, submit=same), submit(3, request_id="a"))
    again = (await talk.answer(2)).submit
    assert (again.job.id, again.replayed, again.job.state) == (first.job.id, True, STATE_SUCCEEDED)
    assert reason_of((await talk.answer(3)).error) == "REQUEST_ID_REUSED"
    seen = len(talk.updates)
    await talk.finish()
    assert len(talk.updates) == seen, "what had ended before is told by its answer alone"


async def test_a_job_can_be_cancelled(talk):
    await talk.send(submit(1))
    job = (await talk.answer(1)).submit.job
    await talk.send(cancel(2, job.id, "not that one"))
    assert (await talk.answer(2)).cancel.job.state == STATE_CANCELLED
    await talk.finish()
    assert talk.updates[-1].event.job_finished.state == STATE_CANCELLED


async def test_a_job_that_is_removed_before_its_end_is_told_is_said_to_be_gone(start, hand):
    async with start(Limits(max_session_updates=1)) as front, talk_to(front) as talk:
        await talk.send(submit(1))
        job = (await talk.answer(1)).submit.job
        await finish(hand)
        await front.stub.Wait(pb.WaitRequest(job_id=job.id))
        assert (await talk.update()).event.sequence == 2
        await front.stub.Delete(pb.DeleteRequest(job_id=job.id))
        await talk.send(updates_acknowledged=1)
        gone = await talk.update()
        assert (gone.job_id, reason_of(gone.error)) == (job.id, "JOB_PURGED")
        await talk.finish()


async def test_no_more_updates_than_the_window_without_acks_and_none_is_lost(start, hand):
    async with start(Limits(max_session_updates=4), heartbeat_s=0.05) as front, talk_to(front) as talk:
        await talk.send(*(submit(number) for number in range(3)))
        for number in range(3):
            await talk.answer(number)  # before anything is started, which a later answer would tell of
        await finish(hand, 3)
        while len(talk.updates) < 4:
            await talk.read()
        for _ in range(3):
            await talk.read()
            assert talk.messages[-1].HasField("heartbeat"), "nothing else comes"
        await talk.send(updates_acknowledged=3)
        while len(talk.updates) < 7:
            await talk.read()
        await talk.send(updates_acknowledged=7)
        while len(talk.updates) < 9:
            await talk.read()
        await talk.finish()
        assert [[event.sequence for event in events] for events in talk.stories().values()] == [[2, 3, 4]] * 3


async def test_answers_come_although_updates_wait_for_acks(start, hand):
    async with start(Limits(max_session_updates=1)) as front, talk_to(front) as talk:
        await talk.send(submit(1))
        await talk.answer(1)
        await finish(hand)
        await talk.update()
        await talk.send(submit(2))
        assert (await talk.answer(2)).submit.job.state == STATE_QUEUED


async def test_who_has_half_closed_has_no_acks_to_give_and_is_told_all(start, hand):
    async with start(Limits(max_session_updates=1)) as front, talk_to(front) as talk:
        await talk.send(submit(1), submit(2))
        for number in (1, 2):
            await talk.answer(number)
        await finish(hand, 2)
        await talk.finish()
        assert [len(events) for events in talk.stories().values()] == [3, 3]


async def test_as_many_jobs_as_the_window_and_no_more(start, hand):
    async with start(Limits(max_session_jobs=2)) as front, talk_to(front) as talk:
        await talk.send(*(submit(number) for number in (1, 2, 3)))
        answers = [(await talk.answer(number)).WhichOneof("answer") for number in (1, 2, 3)]
        assert answers == ["submit", "submit", "error"]
        await finish(hand, 2)
        while not (await talk.update()).event.HasField("job_finished"):
            pass
        await talk.send(submit(4))
        assert (await talk.answer(4)).HasField("submit"), "an end that was told has made room"


async def test_a_call_beyond_the_window_is_told_which_and_when_to_come_again(start):
    async with start(Limits(max_session_jobs=1)) as front, talk_to(front) as talk:
        await talk.send(submit(1), submit(2), cancel(3, "a" * 26))
        error = (await talk.answer(2)).error
        assert (error.code, reason_of(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], "SESSION_WINDOW")
        quota, retry = error_details_pb2.QuotaFailure(), error_details_pb2.RetryInfo()
        assert error.details[1].Unpack(quota)
        assert error.details[2].Unpack(retry)
        assert quota.violations[0].subject == "session:jobs"
        assert reason_of((await talk.answer(3)).error) == "JOB_NOT_FOUND", "to cancel follows nothing"
        assert (await talk.answer(1)).HasField("submit")


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([pb.SessionRequest(), ENDS], "open"),
        ([pb.SessionRequest(open=pb.SessionOptions(detail=9))], "open.detail"),
        ([pb.SessionRequest(calls=[submit(1), pb.SessionCall(correlation_id=2)])], "calls[1].call"),
        ([pb.SessionRequest(calls=[submit(1), submit(1)])], "calls[1].correlation_id"),
        ([pb.SessionRequest(calls=[submit(number) for number in range(5)])], "calls"),
        ([pb.SessionRequest(updates_acknowledged=1)], "updates_acknowledged"),
        ([pb.SessionRequest(updates_acknowledged=-1)], "updates_acknowledged"),
    ],
    ids=["open twice", "detail", "nothing", "same id", "too many", "not sent", "negative"],
)
async def test_who_does_not_keep_to_the_contract_is_told_the_field(start, refused, messages, field):
    async with start(Limits(max_session_calls=4)) as front, talk_to(front) as talk:
        for message in messages:
            await talk.call.write(message)
        while True:
            reading = asyncio.ensure_future(talk.read())
            await asyncio.wait({reading})
            if reading.exception():
                break
        details = await refused(reading, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert [violation.field for violation in details["BadRequest"].field_violations] == [field]


async def test_an_idle_session_has_heartbeats(start):
    async with start(heartbeat_s=0.05) as front, talk_to(front) as talk:
        for _ in range(3):
            await talk.read()
        assert [message.HasField("heartbeat") for message in talk.messages] == [False, True, True]


async def test_a_stopping_gateway_answers_what_it_has_begun_and_says_so(start, refused):
    async with AsyncExitStack() as clients:
        async with start() as front:
            channel = await clients.enter_async_context(grpc.aio.insecure_channel(front.target))
            talk = Talk(DetectionServiceStub(channel))
            await talk.send(submit(1))
            await talk.answer(1)
            last = asyncio.ensure_future(talk.read())
        assert await last
        assert talk.messages[-1].HasField("closing")
        details = await refused(talk.call.read(), grpc.StatusCode.UNAVAILABLE, "DRAINING")
        assert "RetryInfo" in details


async def test_another_gateway_goes_on_where_a_session_was_cut(start, hand):
    async with start() as one, start() as other:
        async with talk_to(one) as talk:
            await talk.send(submit(1, request_id="a"), submit(2, request_id="b"))
            job = (await talk.answer(1)).submit.job
            assert await talk.answer(2)
        await finish(hand, 2)
        last = (await one.stub.Wait(pb.WaitRequest(job_id=job.id))).job.last_sequence
        async with talk_to(other) as talk:
            repeated = submit(2, request_id="b").submit
            await talk.send(follow(1, job.id, last - 1), pb.SessionCall(correlation_id=2, submit=repeated))
            await talk.finish()
            assert [update.event.sequence for update in talk.updates if update.job_id == job.id] == [last]
            assert talk.answers[2].submit.replayed


async def test_what_a_session_has_submitted_stays_when_it_is_cut(front, talk):
    await talk.send(submit(1, request_id="a"))
    job = (await talk.answer(1)).submit.job
    talk.call.cancel()
    assert (await front.stub.Get(pb.GetRequest(job_id=job.id))).job.state == STATE_QUEUED


async def test_a_session_needs_no_task_for_each_of_its_jobs(front, talk):
    await talk.send(*(submit(number) for number in range(100)))
    for number in range(100):
        await talk.answer(number)
    before = len(asyncio.all_tasks())
    assert before < 60, "one hundred jobs are followed"


async def test_the_fields_of_an_update_have_the_numbers_of_watch():
    alone = pb.WatchResponse.DESCRIPTOR.oneofs_by_name["message"].fields
    told = pb.SessionUpdate.DESCRIPTOR.oneofs_by_name["message"].fields
    shared = [(field.name, field.number, field.message_type) for field in alone if field.name not in {"heartbeat", "closing"}]
    assert [(field.name, field.number, field.message_type) for field in told if field.name != "error"] == shared
    job_id = pb.SessionUpdate.DESCRIPTOR.fields_by_name["job_id"]
    assert job_id.number == pb.WatchManyResponse.DESCRIPTOR.fields_by_name["job_id"].number


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 300_000])
async def test_a_frame_is_what_protobuf_would_write(size):
    answers = [pb.SessionAnswer(correlation_id=7), pb.SessionAnswer(correlation_id=8)]
    updates = [pb.SessionUpdate(job_id="j" * size), pb.SessionUpdate(job_id="k")]
    frame = Frame()
    assert not frame
    for answer in answers:
        frame.answer(answer.SerializeToString())
    for update in updates:
        frame.update(update.SerializeToString())
    assert frame.serialize() == pb.SessionResponse(answers=answers, updates=updates).SerializeToString()
    assert not frame.full


async def test_a_frame_is_full_by_number_and_by_size():
    many, large = Frame(), Frame()
    for _ in range(MOST_UPDATES):
        assert not many.full
        many.update(b"")
    large.answer(bytes(1024 * 1024))
    assert many.full
    assert large.full
