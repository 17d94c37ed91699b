"""What a client asks for in a session: each call a task of its own, so that a slow one holds up no other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from gateway.errors import InvalidRequest, SessionWindowFull, Unavailable, Violation
from gateway.interceptor import status_of
from gateway.limits import Limits
from myeye.v1.detection_service_pb2 import SessionAnswer, SessionCall, SessionOptions, SessionRequest

Perform = Callable[[SessionCall, SessionAnswer], Awaitable[None]]
"""Does what a call asks for and fills in its answer; raises what the method of that name does."""


@dataclass(frozen=True, slots=True)
class Window:
    """What may be under way: as SessionWindow, and bytes of requests, beyond which no more are read for a while."""

    calls: int
    jobs: int
    updates: int
    request_bytes: int

    @classmethod
    def of(cls, limits: Limits) -> Window:
        return cls(
            calls=limits.max_session_calls,
            jobs=limits.max_session_jobs,
            updates=limits.max_session_updates,
            request_bytes=limits.max_message_bytes,
        )


class Calls:
    """Reads the client's messages and has its calls performed.

    `open_` is told what the first message says. `followed` counts the jobs that are followed; `wake` is called when there is news
    for the client; `closing` says why no calls are taken any more, if so.
    """

    def __init__(
        self,
        window: Window,
        perform: Perform,
        *,
        open_: Callable[[SessionOptions], None],
        followed: Callable[[], int],
        wake: Callable[[], None],
        closing: Callable[[], str],
    ) -> None:
        self.window = window
        self.sent = 0
        """Updates that were sent; whoever sends them counts them here."""
        self._perform = perform
        self._open = open_
        self._followed = followed
        self._wake = wake
        self._closing = closing
        self._acknowledged = 0
        self._half_closed = False
        self._answers: deque[bytes] = deque()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._coming_jobs = 0
        self._bytes = 0
        self._room = asyncio.Event()

    @property
    def under_way(self) -> bool:
        """Whether there is a call that is not done, or an answer that was not taken."""
        return bool(self._tasks or self._answers)

    @property
    def half_closed(self) -> bool:
        """Whether the client has said that it asks for no more."""
        return self._half_closed

    @property
    def updates_wanted(self) -> int:
        """How many updates the client will take now. When it cannot acknowledge any more, the transport alone holds us back."""
        return self.window.updates if self._half_closed else self.window.updates - (self.sent - self._acknowledged)

    async def read(self, requests: AsyncIterator[SessionRequest]) -> None:
        """Take in messages until the client half-closes the stream.

        Raises:
            InvalidRequest: the client does not keep to the contract.
        """
        first = True
        async for request in requests:
            self._check(request, first=first)
            if first:
                self._open(request.open)
                first = False
            if request.updates_acknowledged:
                self._acknowledged = request.updates_acknowledged
                self._wake()
            for call in request.calls:
                self._begin(call)
            await self._has_room()
        self._half_closed = True

    def take(self) -> bytes | None:
        """Give the next answer, serialized; None if there is none."""
        if not self._answers:
            return None
        self._room.set()
        return self._answers.popleft()

    async def close(self) -> None:
        """End what is not done: the client has left."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _check(self, request: SessionRequest, *, first: bool) -> None:
        violations = []
        if request.HasField("open") and not first:
            violations.append(Violation("open", "must be in the first message only"))
        if request.open.detail not in SessionOptions.Detail.values():
            violations.append(Violation("open.detail", f"{request.open.detail} is not a Detail"))
        if len(request.calls) > self.window.calls:
            violations.append(Violation("calls", f"must be at most {self.window.calls} in one message, not {len(request.calls)}"))
        elif request.calls:
            violations += self._check_calls(request)
        acknowledged = request.updates_acknowledged
        if acknowledged and not self._acknowledged <= acknowledged <= self.sent:
            rule = f"must be from {self._acknowledged} to {self.sent}, or 0, not {acknowledged}"
            violations.append(Violation("updates_acknowledged", rule))
        if violations:
            raise InvalidRequest(*violations)

    def _check_calls(self, request: SessionRequest) -> list[Violation]:
        violations, known = [], set(self._tasks)
        for index, call in enumerate(request.calls):
            if call.WhichOneof("call") is None:
                violations.append(Violation(f"calls[{index}].call", "must be given: set submit, follow or cancel"))
            if call.correlation_id in known:
                rule = f"{call.correlation_id} is that of another call without an answer"
                violations.append(Violation(f"calls[{index}].correlation_id", rule))
            known.add(call.correlation_id)
        return violations

    def _begin(self, call: SessionCall) -> None:
        kind = str(call.WhichOneof("call"))
        makes_job = kind != "cancel"
        refusal = self._refusal(makes_job=makes_job)
        if refusal is not None:
            self._answer(SessionAnswer(correlation_id=call.correlation_id, error=status_of(f"Session.{kind}", refusal)))
            return
        size = call.ByteSize()
        self._bytes += size
        self._coming_jobs += makes_job
        self._tasks[call.correlation_id] = asyncio.create_task(self._run(kind, call, size, makes_job=makes_job))

    def _refusal(self, *, makes_job: bool) -> SessionWindowFull | Unavailable | None:
        if closing := self._closing():
            return Unavailable("DRAINING", closing)
        if len(self._tasks) >= self.window.calls:
            return SessionWindowFull("calls", self.window.calls)
        if makes_job and self._followed() + self._coming_jobs >= self.window.jobs:
            return SessionWindowFull("jobs", self.window.jobs)
        return None

    async def _run(self, kind: str, call: SessionCall, size: int, *, makes_job: bool) -> None:
        answer = SessionAnswer(correlation_id=call.correlation_id)
        try:
            await self._perform(call, answer)
        except Exception as error:  # noqa: BLE001 - told to the client and the log, whatever it is
            answer.error.CopyFrom(status_of(f"Session.{kind}", error))
        finally:  # before the answer: who has it may count on the room
            del self._tasks[call.correlation_id]
            self._bytes -= size
            self._coming_jobs -= makes_job
            self._room.set()
        self._answer(answer)

    def _answer(self, answer: SessionAnswer) -> None:
        self._answers.append(answer.SerializeToString())
        self._wake()

    async def _has_room(self) -> None:
        """Wait while what was asked for takes too much memory, or while the client does not read our answers."""
        while self._bytes > self.window.request_bytes or len(self._answers) > self.window.calls:
            self._room.clear()
            await self._room.wait()
