"""What is asked for in a session: what waits to be sent, what waits for its answer, and what was done with of the updates."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count

from myeye.errors import MyeyeError
from myeye.v1.detection_service_pb2 import SessionAnswer, SessionCall, SessionRequest, SessionWindow

MOST_BYTES = 1024 * 1024
"""Past this a message goes out, and the rest in the next one."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A call; `answer` is None of one that nobody waits for: the session's own, to go on where a stream was cut."""

    call: SessionCall
    answer: asyncio.Future[SessionAnswer] | None

    @property
    def wanted(self) -> bool:
        return self.answer is None or not self.answer.done()

    @property
    def makes_job(self) -> bool:
        """Whether it is counted as a job: those that the session follows already are."""
        return self.answer is not None and not self.call.HasField("cancel")


class CallQueue:
    """Keeps within the windows of the stream at hand: a call beyond them waits here."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._waiting: deque[Pending] = deque()
        self._unanswered: dict[int, Pending] = {}
        self._window: SessionWindow | None = None
        self._processed = 0
        self._acknowledged = 0
        self._news = asyncio.Event()

    @property
    def under_way(self) -> bool:
        """Whether somebody waits for an answer."""
        return any(pending.answer is not None for pending in (*self._unanswered.values(), *self._waiting))

    async def put(self, call: SessionCall) -> SessionAnswer:
        """Have a call sent, and again on the next stream should this one be cut, and return its answer.

        Raises:
            MyeyeError: the session is over.
        """
        answer: asyncio.Future[SessionAnswer] = asyncio.get_running_loop().create_future()
        self._waiting.append(Pending(call, answer))
        self._news.set()
        return await answer

    def answered(self, answer: SessionAnswer) -> Pending | None:
        """Hand an answer to who waits for it, and give the call that it is of."""
        pending = self._unanswered.pop(answer.correlation_id, None)
        if pending is not None and pending.answer is not None and not pending.answer.done():
            pending.answer.set_result(answer)
        self._news.set()
        return pending

    def processed(self, updates: int) -> None:
        """Say how many updates of this stream are done with; the service is told now and then, before it waits for it."""
        self._processed = updates
        if self._window is not None and updates - self._acknowledged >= max(1, self._window.updates // 4):
            self._news.set()

    def look(self) -> None:
        """See whether there is room now for what waits: jobs may have ended."""
        if self._waiting:
            self._news.set()

    def open(self, window: SessionWindow) -> None:
        """Begin to send: a stream is there."""
        self._window = window
        self._news.set()

    def cut(self, first: Iterable[SessionCall]) -> None:
        """Have the next stream begin with calls of the session's own, and then with those that this one has not answered."""
        again = [pending for pending in (*self._unanswered.values(), *self._waiting) if pending.answer and pending.wanted]
        self._waiting = deque([*(Pending(call, None) for call in first), *again])
        self._unanswered.clear()
        self._window = None
        self._processed = self._acknowledged = 0

    def fail(self, failure: MyeyeError) -> None:
        """Tell all who wait that there will be no answer."""
        for pending in (*self._unanswered.values(), *self._waiting):
            if pending.answer is not None and pending.wanted:
                pending.answer.set_exception(failure)
        self._unanswered.clear()
        self._waiting.clear()

    async def next(self, followed: Callable[[], int]) -> SessionRequest | None:
        """Wait until there may be something to send, and give it, if so; `followed` counts the jobs that are followed."""
        await self._news.wait()
        self._news.clear()
        if self._window is None:
            return None
        request = SessionRequest()
        for pending in self._sendable(self._window, followed()):
            number = next(self._numbers)
            pending.call.correlation_id = number
            request.calls.append(pending.call)
            self._unanswered[number] = pending
        if self._processed > self._acknowledged:
            request.updates_acknowledged = self._acknowledged = self._processed
        return request if request.calls or request.updates_acknowledged else None

    def _sendable(self, window: SessionWindow, followed: int) -> list[Pending]:
        """Take what windows and message have room for, in order; but what makes no job passes what waits for room for one."""
        jobs = window.jobs - followed - sum(pending.makes_job for pending in self._unanswered.values())
        calls, size = window.calls - len(self._unanswered), 0
        sendable: list[Pending] = []
        left: deque[Pending] = deque()
        while self._waiting and calls > len(sendable) and size < MOST_BYTES:
            pending = self._waiting.popleft()
            if not pending.wanted:
                continue
            if pending.makes_job and jobs <= 0:
                left.append(pending)
                continue
            grown = size + pending.call.ByteSize()
            if sendable and grown > MOST_BYTES:
                left.append(pending)
                break
            jobs -= pending.makes_job
            size = grown
            sendable.append(pending)
        self._waiting.extendleft(reversed(left))
        if size >= MOST_BYTES or (left and jobs > 0):
            self._news.set()  # the next message can go out behind this one
        return sendable
