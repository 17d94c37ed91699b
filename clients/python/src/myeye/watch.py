"""Watching one job, across as many streams as it takes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from myeye.backoff import Backoff
from myeye.calls import call
from myeye.cursor import Cursor
from myeye.errors import MyeyeError, Unavailable
from myeye.states import is_terminal
from myeye.stream import Patience, is_lasting, read_updates
from myeye.tracing import trace_metadata
from myeye.v1.detection_service_pb2 import GetRequest, WatchRequest, WatchResponse

if TYPE_CHECKING:  # a name of the stubs, not of the generated code
    from myeye.v1.detection_service_pb2_grpc import DetectionServiceAsyncStub


@dataclass(frozen=True, slots=True)
class Watch:
    """Follows one job from `cursor` on."""

    stub: DetectionServiceAsyncStub
    job_id: str
    cursor: Cursor
    patience: Patience

    async def updates(self) -> AsyncGenerator[WatchResponse, None]:
        """Yield what is new until the job's end; whenever a stream breaks, resume after the last event told."""
        backoff = Backoff(self.patience.call_s)
        while not self.cursor.finished:
            begun = False
            try:
                async with aclosing(self._stream(backoff.remaining_s)) as stream:
                    async for update in stream:
                        begun, backoff = True, Backoff(self.patience.resume_s)
                        if self.cursor.accept(update):
                            yield update
                        if self.cursor.finished:
                            return
                await confirm_end(self.stub, self.job_id, self.cursor, self.patience)
            except MyeyeError as failure:
                if is_lasting(failure, begun=begun) or not await backoff.pause(failure):
                    raise

    def _stream(self, first_s: float) -> AsyncGenerator[WatchResponse, None]:
        request = WatchRequest(job_id=self.job_id, after_sequence=self.cursor.sequence)
        stream = self.stub.Watch(request, metadata=trace_metadata())
        return read_updates(stream, first_s, self.patience.silence_s)


async def confirm_end(stub: DetectionServiceAsyncStub, job_id: str, cursor: Cursor, patience: Patience) -> None:
    """Tell an end that was told before `cursor`, which finishes it, from a stream that something between cut short.

    Raises:
        Unavailable: the stream was cut short.
        MyeyeError: the job cannot be asked for.
    """
    job = (await call(stub.Get, GetRequest(job_id=job_id), timeout_s=patience.call_s)).job
    cursor.finished = is_terminal(job.state) and job.last_sequence == cursor.sequence
    if not cursor.finished:
        raise Unavailable("the stream ended before the job did", code=grpc.StatusCode.UNAVAILABLE)
