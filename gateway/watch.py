"""Watch: a cursor into one job's history.

The history itself is the buffer: a watcher remembers how far it has told, and so a slow client costs nothing and loses
nothing. Every event is serialized once, for all who watch.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager

from dispatch.codec import timestamp
from dispatch.lifecycle import Job, State
from gateway import messages
from gateway.errors import CursorOutOfRange, Unavailable
from gateway.identity.principal import Principal
from gateway.messages import Teller
from gateway.standings import Standing, standing_of
from gateway.store import Doing, Store
from myeye.v1.detection_service_pb2 import Closing, Heartbeat, ItemProgress, WatchResponse
from myeye.v1.job_pb2 import QueueStatus

CACHED_EVENTS = 4096


class Watches:
    """All watches of this gateway. `closing` ends them, each with a hint to come again."""

    def __init__(self, store: Store, teller: Teller, *, heartbeat_s: float) -> None:
        self._store = store
        self._teller = teller
        self.heartbeat_s = heartbeat_s
        self._encoded: OrderedDict[tuple[str, bytes, int], bytes] = OrderedDict()
        self.closing = ""

    def close(self, reason: str) -> None:
        """End all watches."""
        self.closing = reason
        self._store.wake_all()

    async def watch(
        self, principal: Principal, job_id: str, after_sequence: int | None, place: AbstractContextManager[None]
    ) -> AsyncIterator[bytes]:
        """Yield serialized WatchResponses: bytes are small, and what was told last is kept until there is more to tell.

        `place` is held meanwhile: by this generator, for each one around it takes a kilobyte of every watch.

        Raises:
            JobNotFound, JobPurged: as `Store.get`.
            CursorOutOfRange: `after_sequence` is negative or beyond the history.
            Unavailable: the gateway is closing, or reads its log anew.
        """
        with place:
            job = await self._store.get(principal, job_id)
            if after_sequence is None:
                told = job.sequence
                yield self.snapshot(job).SerializeToString()
            else:
                told = await self.cursor(principal, job, after_sequence)
            progress = Progress(self, told)
            quiet_since = time.monotonic() - self.heartbeat_s  # the first message comes at once, whatever there is to tell
            while True:
                if not self._store.caught_up:
                    raise Unavailable("STARTING", "the gateway reads its log anew")
                job = self._store.find(principal, job_id)
                news = None if job.state.terminal else self._store.news(job_id)
                for message in progress.untold(job):
                    yield message if isinstance(message, bytes) else message.SerializeToString()
                    quiet_since = time.monotonic()
                if news is None:
                    return
                if self.closing:
                    yield WatchResponse(closing=Closing(reason=self.closing)).SerializeToString()
                    raise Unavailable("DRAINING", self.closing)
                await asyncio.wait({news}, timeout=max(0.0, quiet_since + self.heartbeat_s - time.monotonic()))
                if time.monotonic() >= quiet_since + self.heartbeat_s:
                    yield WatchResponse(heartbeat=Heartbeat(time=timestamp(time.time_ns()))).SerializeToString()
                    quiet_since = time.monotonic()

    async def wait(self, principal: Principal, job_id: str, timeout_s: float) -> Job:
        """Give the job as soon as it is terminal, or as it is when the time is up.

        Raises:
            JobNotFound, JobPurged: as `Store.get`.
            Unavailable: the gateway is closing.
        """
        job = await self._store.get(principal, job_id)
        end = time.monotonic() + timeout_s
        while not job.state.terminal and (left := end - time.monotonic()) > 0:
            if self.closing:
                raise Unavailable("DRAINING", self.closing)
            await asyncio.wait({self._store.news(job_id)}, timeout=left)
            job = self._store.find(principal, job_id)
        return job

    async def cursor(self, principal: Principal, job: Job, after_sequence: int) -> int:
        """Give the cursor back if it is one of this job's.

        Raises:
            CursorOutOfRange: it is negative or beyond the history.
        """
        if after_sequence > job.sequence:  # another gateway may have told more than this one has read
            await self._store.journal.barrier()
            job = self._store.find(principal, job.id)
        if not 0 <= after_sequence <= job.sequence:
            raise CursorOutOfRange(job.id, after_sequence, job.sequence)
        return after_sequence

    def snapshot(self, job: Job) -> WatchResponse:
        """Tell a job as it is."""
        return WatchResponse(snapshot=self._teller.job(job))

    def event(self, job: Job, sequence: int) -> bytes:
        """Serialize an event, or recall it: the same bytes serve all watchers."""
        key = (job.id, job.accepted_id, sequence)
        encoded = self._encoded.get(key)
        if encoded is None:
            encoded = WatchResponse(event=messages.event(job, sequence)).SerializeToString(deterministic=True)
            self._encoded[key] = encoded
            if len(self._encoded) > CACHED_EVENTS:
                self._encoded.popitem(last=False)
        return encoded

    def doings(self, job: Job) -> dict[int, Doing]:
        """Give what is done with the items that run."""
        current = self._store.doings.get(job.id, {})
        return {item: doing for item, doing in current.items() if job.items[item].state is State.RUNNING}

    def queue(self, job: Job) -> QueueStatus | None:
        """Give a queued job's place."""
        return self._teller.queue(job) if job.state is State.QUEUED else None


class Progress:
    """What one watcher has been told of one job; `durable_only` leaves out all but the events."""

    def __init__(self, watches: Watches, sequence: int, *, durable_only: bool = False) -> None:
        self._watches = watches
        self._sequence = sequence
        self._durable_only = durable_only
        self._doings: dict[int, Doing] = {}
        self._standing: Standing | None = None

    def untold(self, job: Job) -> Iterator[WatchResponse | bytes]:
        """Yield what is new: events, then what is being done, then the place in the queue."""
        while self._sequence < job.sequence:
            self._sequence += 1
            yield self._watches.event(job, self._sequence)
        if self._durable_only:
            return
        for item, doing in self._watches.doings(job).items():
            if self._doings.get(item) != doing:
                self._doings[item] = doing
                yield WatchResponse(item_progress=_item_progress(item, doing))
        if queue := self._watches.queue(job):
            standing = standing_of(queue)
            if standing != self._standing:
                self._standing = standing
                yield WatchResponse(queue=queue)

    def complete(self, job: Job) -> bool:
        """Whether all events have been told."""
        return self._sequence == job.sequence


def _item_progress(item: int, doing: Doing) -> ItemProgress:
    return ItemProgress(
        item=item,
        attempt=doing.attempt,
        stage=ItemProgress.Stage.ValueType(doing.stage),
        frames_done=doing.frames_done,
        frames_total=doing.frames_total,
    )
