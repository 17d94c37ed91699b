"""Session: many jobs over one stream.

As in the watches, the histories themselves are the buffer: a session keeps a cursor for each of its jobs, and what the client
has not acknowledged holds it back. Its calls are performed side by side, each as the method of its name does it, and their
answers go out with what else is ready.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass

from dispatch.codec import timestamp
from dispatch.lifecycle import Job
from gateway.cancel import Canceller
from gateway.errors import JobNotFound, JobPurged, Unavailable
from gateway.followers import Follower
from gateway.identity.principal import Principal
from gateway.interceptor import status_of
from gateway.limits import Limits
from gateway.messages import Teller
from gateway.session_calls import Calls, Window
from gateway.session_frame import Frame
from gateway.store import Store
from gateway.submit import Submitter
from gateway.traffic import Traffic
from gateway.view import Telling, View
from gateway.watch import Progress, Watches
from myeye.v1.detection_service_pb2 import (
    Closing,
    Heartbeat,
    SessionAnswer,
    SessionCall,
    SessionOptions,
    SessionRequest,
    SessionResponse,
    SessionUpdate,
    SessionWindow,
    WatchResponse,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """All sessions of this gateway, and what they work with. They end when `watches` are closed."""

    store: Store
    watches: Watches
    submitter: Submitter
    canceller: Canceller
    teller: Teller
    traffic: Traffic
    limits: Limits

    async def run(self, principal: Principal, requests: AsyncIterator[SessionRequest]) -> AsyncGenerator[bytes, None]:
        """Yield serialized SessionResponses, until the client asks for no more and has been told all.

        Raises:
            InvalidRequest: the client does not keep to the contract.
            Exhausted: there are too many watches and sessions.
            Unavailable: the gateway is closing, or reads its log anew.
        """
        with self.traffic.watching(principal.name), self.store.followers.following() as follower:
            session = _Session(self, principal, follower)
            reading = asyncio.create_task(session.calls.read(requests))
            reading.add_done_callback(lambda _: follower.wake())
            try:
                async for message in session.tell(reading):
                    yield message
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                await session.calls.close()


class _Session:
    """One stream."""

    def __init__(self, sessions: Sessions, principal: Principal, follower: Follower) -> None:
        self._store = sessions.store
        self._watches = sessions.watches
        self._submitter = sessions.submitter
        self._canceller = sessions.canceller
        self._teller = sessions.teller
        self._traffic = sessions.traffic
        self._principal = principal
        self._follower = follower
        self._detail = SessionOptions.DETAIL_EVENTS
        self._view = View(self._watches, follower, lambda job_id: self._store.find(principal, job_id))
        self.calls = Calls(
            Window.of(sessions.limits),
            self._perform,
            open_=self._open,
            followed=lambda: len(follower.jobs),
            wake=follower.wake,
            closing=lambda: self._watches.closing,
        )

    # -- what the client asks for

    def _open(self, options: SessionOptions) -> None:
        self._detail = options.detail or SessionOptions.DETAIL_EVENTS
        self._follower.durable_only = self._detail != SessionOptions.DETAIL_PROGRESS

    async def _perform(self, call: SessionCall, answer: SessionAnswer) -> None:
        self._traffic.admit(self._principal.name)
        match call.WhichOneof("call"):
            case "submit":
                job, answer.submit.replayed = await self._submitter.submit(self._principal, call.submit)
                answer.submit.job.CopyFrom(self._teller.job(job))
                if not job.state.terminal:
                    self._view.begin(job.id, self._telling(job.sequence))
            case "follow":
                target = call.follow
                after = target.after_sequence if target.HasField("after_sequence") else None
                job = await self._store.get(self._principal, target.job_id)
                if after is not None:
                    await self._watches.cursor(self._principal, job, after)
                self._view.begin(job.id, self._telling(after))
                answer.follow.job_id = job.id
            case "cancel":
                answer.cancel.job.CopyFrom(self._teller.job(await self._canceller.cancel(self._principal, call.cancel)))

    def _telling(self, after: int | None) -> Telling | None:
        if self._detail == SessionOptions.DETAIL_ENDS:
            return _End(self._watches)
        if after is None:
            return None
        return Progress(self._watches, after, durable_only=self._follower.durable_only)

    # -- what the client is told

    async def tell(self, reading: asyncio.Task[None]) -> AsyncGenerator[bytes, None]:
        """Yield messages until all is told."""
        calls, window = self.calls, self.calls.window
        yield SessionResponse(
            window=SessionWindow(calls=window.calls, jobs=window.jobs, updates=window.updates)
        ).SerializeToString()
        quiet_since = time.monotonic()
        while True:
            if reading.done():
                reading.result()
            if not self._store.caught_up:
                raise Unavailable("STARTING", "the gateway reads its log anew")
            if frame := self._frame():
                yield frame.serialize()
                quiet_since = time.monotonic()
                continue
            if not calls.under_way:
                if calls.half_closed and not self._follower.jobs:
                    return
                if closing := self._watches.closing:
                    yield SessionResponse(closing=Closing(reason=closing)).SerializeToString()
                    raise Unavailable("DRAINING", closing)
            heartbeat_due = quiet_since + self._watches.heartbeat_s
            await self._follower.wait(heartbeat_due - time.monotonic())
            if time.monotonic() >= heartbeat_due:
                yield SessionResponse(heartbeat=Heartbeat(time=timestamp(time.time_ns()))).SerializeToString()
                quiet_since = time.monotonic()

    def _frame(self) -> Frame:
        """Gather what is ready, as much as the client will take and one message may hold."""
        frame = Frame()
        while not frame.full and (answer := self.calls.take()) is not None:
            frame.answer(answer)
        wanted = self.calls.updates_wanted
        if wanted <= 0 or frame.full:
            return frame
        changed = self._follower.take()
        for index, job_id in enumerate(changed):
            for update in self._untold(job_id):
                frame.update(update)
                if frame.full or frame.updates >= wanted:
                    self._follower.notice(*(each for each in changed[index:] if each in self._follower.jobs))
                    self.calls.sent += frame.updates
                    return frame
        self.calls.sent += frame.updates
        return frame

    def _untold(self, job_id: str) -> Iterator[bytes]:
        try:
            yield from self._view.untold(job_id)
        except (JobPurged, JobNotFound) as error:
            self._view.leave(job_id)
            yield SessionUpdate(job_id=job_id, error=status_of("Session", error)).SerializeToString()


class _End:
    """Implements `gateway.view.Telling`: the job, once it has ended."""

    def __init__(self, watches: Watches) -> None:
        self._watches = watches
        self._told = False

    def untold(self, job: Job) -> Iterator[WatchResponse | bytes]:
        if job.state.terminal and not self._told:
            self._told = True
            yield self._watches.snapshot(job)

    def complete(self, job: Job) -> bool:  # noqa: ARG002 - as the protocol has it
        return self._told
