"""Many jobs over one stream, or over as many, one after the other, as it takes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias, Unpack

import grpc

from myeye.backoff import Backoff
from myeye.cursor import Cursor
from myeye.errors import MyeyeError, ProtocolError, Unavailable, from_rpc_error, from_status
from myeye.handing_in import HandingIn, UploadProgress, hand_in
from myeye.pictures import Pictures
from myeye.session_calls import CallQueue
from myeye.states import is_terminal
from myeye.stream import Patience, is_lasting
from myeye.submission import SubmitOptions
from myeye.v1.detection_service_pb2 import (
    CancelRequest,
    SessionAnswer,
    SessionCall,
    SessionOptions,
    SessionRequest,
    SessionResponse,
    SessionUpdate,
    SubmitRequest,
    SubmitResponse,
    WatchTarget,
)
from myeye.v1.job_pb2 import Job

if TYPE_CHECKING:  # a name of the stubs, not of the generated code
    from myeye.v1.detection_service_pb2_grpc import DetectionServiceAsyncStub

    Stream: TypeAlias = grpc.aio.StreamStreamCall[SessionRequest, SessionResponse]

FUTILE = frozenset({grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.RESOURCE_EXHAUSTED})
"""A service without sessions; a message beyond its limit."""

HandIn: TypeAlias = Callable[[Pictures, UploadProgress | None], Awaitable[HandingIn]]


class Detail(Enum):
    """How much a session tells of its jobs."""

    EVENTS = SessionOptions.DETAIL_EVENTS
    """Every event of their histories."""
    PROGRESS = SessionOptions.DETAIL_PROGRESS
    """Events, what running items do, and places in the queue."""
    ENDS = SessionOptions.DETAIL_ENDS
    """One snapshot of each, when it has ended."""


class AsyncSession:
    """Hands in and follows many jobs over one stream. Made by `AsyncClient.session`, and begun as a context manager.

    When the stream breaks another is begun, and nothing is told twice or left out. Leaving the context ends the session, not
    its jobs. All methods raise `MyeyeError` or one of its subclasses.
    """

    def __init__(self, stub: DetectionServiceAsyncStub, patience: Patience, detail: Detail, handing_in: HandIn) -> None:
        """Made by `AsyncClient.session`, and not by hand."""
        self._stub = stub
        self._patience = patience
        self._detail = detail
        self._handing_in = handing_in
        self._calls = CallQueue()
        self._cursors: dict[str, Cursor] = {}
        self._received = 0
        self._untold: deque[SessionUpdate] = deque()
        self._news = asyncio.Event()
        self._begun = False
        self._finished = False
        self._failure: MyeyeError | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep())
        self._keeper.add_done_callback(self._kept)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._keeper is not None
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)

    async def submit(
        self, pictures: Pictures, *, on_upload: UploadProgress | None = None, **options: Unpack[SubmitOptions]
    ) -> Job:
        """Hand in a job as `AsyncClient.submit` does, and follow it. Waits for as long as the service takes no more."""
        return await hand_in(await self._handing_in(pictures, on_upload), options, self._accept)

    async def follow(self, job_id: str, *, after_sequence: int | None = None) -> None:
        """Tell of another job, too: from a snapshot on, or, as `AsyncClient.watch` does, after an event."""
        await self._ask(SessionCall(follow=WatchTarget(job_id=job_id, after_sequence=after_sequence)))

    async def cancel(self, job_id: str, reason: str = "") -> Job:
        """End a job as CANCELLED and return it."""
        return (await self._ask(SessionCall(cancel=CancelRequest(job_id=job_id, reason=reason)))).cancel.job

    async def finish(self) -> None:
        """Say that no more will be asked for: `updates` ends when everything has been told."""
        self._finished = True
        self._news.set()

    async def updates(self) -> AsyncGenerator[SessionUpdate, None]:
        """Yield what happens to the jobs, each event exactly once; ends after `finish`, when all have ended. For one reader.

        What a submit has returned is not told again: the updates go on from there. But with `Detail.ENDS` there is one snapshot
        of every job, at its end. An update with an `error` says that a job was removed before its end could be told. The
        service is told what was taken from here, and keeps the rest for who takes nothing.
        """
        while True:
            while self._untold:
                try:
                    yield self._untold[0]
                finally:
                    self._untold.popleft()
                    self._count()
            self._count()
            if self._failure is not None:
                raise self._failure
            if self._finished and not (self._cursors or self._calls.under_way):
                return
            self._news.clear()
            await self._news.wait()

    def _count(self) -> None:
        self._calls.processed(max(0, self._received - len(self._untold)))

    async def _accept(self, request: SubmitRequest) -> SubmitResponse:
        return (await self._ask(SessionCall(submit=request))).submit

    async def _ask(self, call: SessionCall) -> SessionAnswer:
        """Have a call performed, and again while that may help and there is time."""
        backoff = Backoff(self._patience.call_s)
        while True:
            if self._failure is not None:
                raise self._failure
            answer = await self._calls.put(call)
            if not answer.HasField("error"):
                return answer
            failure = from_status(answer.error)
            if not (failure.transient or failure.reason == "SESSION_WINDOW") or not await backoff.pause(failure):
                raise failure

    # -- holding a stream

    async def _keep(self) -> None:
        """Hold a stream, and begin another whenever it breaks, until that is of no use."""
        self._backoff = Backoff(self._patience.call_s)
        while True:
            self._begun = False
            try:
                await self._hold()
            except MyeyeError as failure:
                self._cut()
                if is_lasting(failure, begun=self._begun) or failure.code in FUTILE or not await self._backoff.pause(failure):
                    self._fail(failure)
                    return

    async def _hold(self) -> None:
        """Hold one stream until it breaks.

        Raises:
            MyeyeError: that has happened.
        """
        stream = self._stub.Session()
        writing = asyncio.create_task(self._write(stream))
        try:
            limit_s = min(self._backoff.remaining_s, self._patience.silence_s)
            while True:
                self._take(await self._read(stream, limit_s))
                self._begun, self._backoff = True, Backoff(self._patience.resume_s)
                limit_s = self._patience.silence_s
        finally:
            writing.cancel()
            stream.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    def _kept(self, keeper: asyncio.Task[None]) -> None:
        if keeper.cancelled():
            self._fail(Unavailable("the session was left", code=grpc.StatusCode.CANCELLED))
        elif error := keeper.exception():
            self._fail(ProtocolError(f"the session broke down: {error!r}"))

    def _fail(self, failure: MyeyeError) -> None:
        if self._failure is None:
            self._failure = failure
            self._calls.fail(failure)
            self._news.set()

    def _cut(self) -> None:
        """Have the next stream go on after what was told of each job."""
        targets = (WatchTarget(job_id=job_id, after_sequence=cursor.sequence) for job_id, cursor in self._cursors.items())
        self._calls.cut(SessionCall(follow=target) for target in targets)
        self._received = 0

    async def _write(self, stream: Stream) -> None:
        request: SessionRequest | None = SessionRequest(open=SessionOptions(detail=self._detail.value))
        try:
            while True:
                if request is not None:
                    await stream.write(request)
                request = await self._calls.next(lambda: len(self._cursors))
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # who reads is told why

    async def _read(self, stream: Stream, limit_s: float) -> SessionResponse:
        try:
            async with asyncio.timeout(limit_s):
                received = await stream.read()
        except TimeoutError as error:
            raise Unavailable("the session has fallen silent", code=grpc.StatusCode.DEADLINE_EXCEEDED) from error
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        if not isinstance(received, SessionResponse):
            raise Unavailable("the session was ended", code=grpc.StatusCode.UNAVAILABLE)
        if received.HasField("closing"):
            raise Unavailable(f"the gateway closes the session: {received.closing.reason}", code=grpc.StatusCode.UNAVAILABLE)
        return received

    # -- what the gateway says

    def _take(self, message: SessionResponse) -> None:
        if message.HasField("window"):
            self._calls.open(message.window)
        for answer in message.answers:
            self._take_answer(answer)
        for update in message.updates:
            self._take_update(update)
        self._received += len(message.updates)
        self._calls.look()
        self._news.set()

    def _take_answer(self, answer: SessionAnswer) -> None:
        pending = self._calls.answered(answer)
        match answer.WhichOneof("answer"):
            case "submit":
                self._follow(answer.submit.job)
            case "follow" if pending is not None and pending.answer is not None:
                target = pending.call.follow
                self._cursors[target.job_id] = Cursor(target.after_sequence if target.HasField("after_sequence") else None)
            case "error" if pending is not None and pending.answer is None:
                self._lost(pending.call.follow.job_id, answer)

    def _follow(self, job: Job) -> None:
        ends = self._detail is Detail.ENDS
        if not is_terminal(job.state):
            self._cursors[job.id] = Cursor(None if ends else job.last_sequence)
        elif ends:
            self._untold.append(SessionUpdate(job_id=job.id, snapshot=job))

    def _lost(self, job_id: str, answer: SessionAnswer) -> None:
        """Tell that a job is gone, which could not be followed on another stream.

        Raises:
            MyeyeError: that is not why.
        """
        failure = from_status(answer.error)
        if failure.code is not grpc.StatusCode.NOT_FOUND:
            raise failure
        if self._cursors.pop(job_id, None):
            self._untold.append(SessionUpdate(job_id=job_id, error=answer.error))

    def _take_update(self, update: SessionUpdate) -> None:
        cursor = self._cursors.get(update.job_id)
        if cursor is None:
            return
        gone = update.HasField("error")
        if gone or cursor.accept(update):
            self._untold.append(update)
        if gone or cursor.finished:
            del self._cursors[update.job_id]
