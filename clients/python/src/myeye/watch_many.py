"""Watching several jobs, across as many streams as it takes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from myeye.backoff import Backoff
from myeye.cursor import Cursor
from myeye.errors import MyeyeError, NotFound, Unavailable
from myeye.stream import Patience, is_lasting, read_updates
from myeye.tracing import trace_metadata
from myeye.v1.detection_service_pb2 import WatchManyRequest, WatchManyResponse, WatchTarget
from myeye.v1.job_pb2 import Job
from myeye.watch import Watch, confirm_end

if TYPE_CHECKING:  # a name of the stubs, not of the generated code
    from myeye.v1.detection_service_pb2_grpc import DetectionServiceAsyncStub


@dataclass(frozen=True, slots=True)
class JobsWatch:
    """Follows named jobs, each from its cursor on, until all have ended."""

    stub: DetectionServiceAsyncStub
    cursors: dict[str, Cursor]
    patience: Patience

    async def updates(self) -> AsyncGenerator[WatchManyResponse, None]:
        """Yield what is new; whenever a stream breaks, resume each job after the last event told."""
        backoff = Backoff(self.patience.call_s)
        while self._open():
            begun = False
            try:
                async with aclosing(self._stream(backoff.remaining_s)) as stream:
                    async for update in stream:
                        begun, backoff = True, Backoff(self.patience.resume_s)
                        if update.job_id in self.cursors and self.cursors[update.job_id].accept(update):
                            yield update
                for job_id, cursor in self._open().items():
                    await confirm_end(self.stub, job_id, cursor, self.patience)
            except MyeyeError as failure:
                if is_lasting(failure, begun=begun) or not await backoff.pause(failure):
                    raise

    def _open(self) -> dict[str, Cursor]:
        return {job_id: cursor for job_id, cursor in self.cursors.items() if not cursor.finished}

    def _stream(self, first_s: float) -> AsyncGenerator[WatchManyResponse, None]:
        targets = [WatchTarget(job_id=job_id, after_sequence=cursor.sequence) for job_id, cursor in self._open().items()]
        stream = self.stub.WatchMany(WatchManyRequest(targets=targets), metadata=trace_metadata())
        return read_updates(stream, first_s, self.patience.silence_s)


@dataclass(frozen=True, slots=True)
class LabelsWatch:
    """Follows all jobs that have the labels, without end. `cursors` fills with those that were seen."""

    stub: DetectionServiceAsyncStub
    labels: Sequence[str]
    cursors: dict[str, Cursor]
    patience: Patience

    async def updates(self) -> AsyncGenerator[WatchManyResponse, None]:
        """Yield what is new; whenever a stream breaks, begin another and fetch what happened in between."""
        backoff = Backoff(self.patience.call_s)
        while True:
            begun = False
            try:
                async with aclosing(self._stream(backoff.remaining_s)) as stream:
                    async for update in stream:
                        begun, backoff = True, Backoff(self.patience.resume_s)
                        async with aclosing(self._untold(update)) as untold:
                            async for each in untold:
                                yield each
                raise Unavailable("a stream that has no end has ended", code=grpc.StatusCode.UNAVAILABLE)
            except MyeyeError as failure:
                if is_lasting(failure, begun=begun) or not await backoff.pause(failure):
                    raise

    def _stream(self, first_s: float) -> AsyncGenerator[WatchManyResponse, None]:
        stream = self.stub.WatchMany(WatchManyRequest(labels=self.labels), metadata=trace_metadata())
        return read_updates(stream, first_s, self.patience.silence_s)

    async def _untold(self, update: WatchManyResponse) -> AsyncGenerator[WatchManyResponse, None]:
        known = self.cursors.get(update.job_id)
        if update.HasField("snapshot") and known is not None:
            async with aclosing(self._missed(update.snapshot, known)) as missed:
                async for each in missed:
                    yield each
        elif update.job_id and self.cursors.setdefault(update.job_id, Cursor(None)).accept(update):
            yield update

    async def _missed(self, job: Job, cursor: Cursor) -> AsyncGenerator[WatchManyResponse, None]:
        """Yield the events of a job up to a snapshot that comes instead of them when a stream is begun again."""
        if (cursor.sequence or 0) >= job.last_sequence:
            return
        try:
            async with aclosing(Watch(self.stub, job.id, cursor, self.patience).updates()) as updates:
                async for update in updates:
                    if update.HasField("event"):
                        yield WatchManyResponse(job_id=job.id, event=update.event)
                        if update.event.sequence >= job.last_sequence:
                            return
        except NotFound:
            return  # removed meanwhile: no labels choose it any more
