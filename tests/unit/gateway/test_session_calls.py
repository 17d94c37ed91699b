"""The calls of a session: side by side, within their window, and no more of them in memory than there is room for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.errors import InvalidRequest
from gateway.session_calls import Calls, Window
from myeye.v1.detection_service_pb2 import CancelRequest, SessionAnswer, SessionCall, SessionRequest, SubmitRequest


class Desk:
    """Performs calls when the test says so, and is the client's side of the stream."""

    def __init__(self, window: Window) -> None:
        self.begun: list[int] = []
        self.may_end = {number: asyncio.Event() for number in range(10)}
        self.sent: asyncio.Queue[SessionRequest | None] = asyncio.Queue()
        self.news = asyncio.Event()
        self.closing = ""
        self.calls = Calls(
            window, self.perform, open_=lambda _: None, followed=lambda: 0, wake=self.news.set, closing=lambda: self.closing
        )

    async def perform(self, call: SessionCall, answer: SessionAnswer) -> None:
        self.begun.append(call.correlation_id)
        await self.may_end[call.correlation_id].wait()
        answer.follow.job_id = "done"

    async def requests(self) -> AsyncIterator[SessionRequest]:
        while (request := await self.sent.get()) is not None:
            yield request

    async def answered(self) -> dict[int, str]:
        """Wait for news, and give what each answer is."""
        await self.news.wait()
        await quiet()
        self.news.clear()
        told = {}
        while body := self.calls.take():
            answer = SessionAnswer.FromString(body)
            told[answer.correlation_id] = str(answer.WhichOneof("answer"))
        return told


async def quiet() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def window(**changes: int) -> Window:
    return Window(**{"calls": 4, "jobs": 100, "updates": 10, "request_bytes": 1_000_000} | changes)


def call(number: int, size: int = 0) -> SessionCall:
    return SessionCall(correlation_id=number, submit=SubmitRequest(model="m" * size))


@pytest.fixture
async def begin():
    """Make a desk whose messages are read."""
    reading = []

    def make(**changes: int) -> Desk:
        desk = Desk(window(**changes))
        reading.append((desk, asyncio.ensure_future(desk.calls.read(desk.requests()))))
        return desk

    yield make
    for desk, task in reading:
        task.cancel()
        await desk.calls.close()


async def test_a_slow_call_holds_up_no_other(begin):
    async with asyncio.timeout(20):
        desk = begin()
        desk.sent.put_nowait(SessionRequest(calls=[call(1), call(2)]))
        desk.sent.put_nowait(SessionRequest(calls=[call(3)]))
        for number in (3, 2):
            desk.may_end[number].set()
            assert await desk.answered() == {number: "follow"}
        assert desk.calls.under_way


async def test_as_many_calls_as_the_window_and_no_more(begin):
    async with asyncio.timeout(20):
        desk = begin(calls=2)
        desk.sent.put_nowait(SessionRequest(calls=[call(1), call(2)]))
        desk.sent.put_nowait(SessionRequest(calls=[call(3)], updates_acknowledged=0))
        desk.sent.put_nowait(None)
        assert await desk.answered() == {3: "error"}
        desk.may_end[1].set()
        assert await desk.answered() == {1: "follow"}
        assert desk.begun == [1, 2]


async def test_an_answered_call_makes_room_for_another(begin):
    async with asyncio.timeout(20):
        desk = begin(calls=1)
        for _ in range(3):
            desk.sent.put_nowait(SessionRequest(calls=[call(1)]))
            desk.may_end[1].set()
            assert await desk.answered() == {1: "follow"}


async def test_submits_under_way_count_as_jobs_and_to_cancel_is_always_possible(begin):
    async with asyncio.timeout(20):
        desk = begin(jobs=1)
        cancel = SessionCall(correlation_id=3, cancel=CancelRequest(job_id="a"))
        desk.may_end[3].set()
        desk.sent.put_nowait(SessionRequest(calls=[call(1), call(2), cancel]))
        assert await desk.answered() == {2: "error", 3: "follow"}


async def test_no_more_is_read_while_what_is_under_way_takes_too_much_memory(begin):
    async with asyncio.timeout(20):
        desk = begin(request_bytes=1000)
        for number in (1, 2, 3):
            desk.sent.put_nowait(SessionRequest(calls=[call(number, 600)]))
        await quiet()
        desk.may_end[2].set()
        assert await desk.answered() == {2: "follow"}
        await quiet()
        assert desk.begun == [1, 2, 3], "the third came only when the second had made room"


async def test_no_more_is_read_while_nobody_takes_the_answers(begin):
    async with asyncio.timeout(20):
        desk = begin(jobs=0)
        for number in range(6):
            desk.sent.put_nowait(SessionRequest(calls=[call(number)]))
        await quiet()
        assert desk.sent.qsize() == 1
        assert len(taken(desk)) == 5
        await quiet()
        assert desk.sent.empty()


def taken(desk: Desk) -> list[bytes]:
    return list(iter(desk.calls.take, None))


async def test_a_closing_gateway_begins_nothing(begin):
    async with asyncio.timeout(20):
        desk = begin()
        desk.closing = "this gateway is stopping"
        desk.sent.put_nowait(SessionRequest(calls=[call(1)]))
        await desk.news.wait()
        (answer,) = map(SessionAnswer.FromString, taken(desk))
        assert "DRAINING" in str(answer.error.details[0].value)
        assert desk.begun == []


async def test_acks_move_the_window_and_are_of_what_was_sent(begin):
    desk = Desk(window(updates=4))
    desk.calls.sent = 4
    assert desk.calls.updates_wanted == 0
    for acknowledged in (3, 0):
        desk.sent.put_nowait(SessionRequest(updates_acknowledged=acknowledged))
    desk.sent.put_nowait(SessionRequest(updates_acknowledged=2))
    with pytest.raises(InvalidRequest, match="must be from 3 to 4"):
        await desk.calls.read(desk.requests())
    assert desk.calls.updates_wanted == 3
