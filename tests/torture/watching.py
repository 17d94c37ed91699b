"""One look of a watcher at a job, by Watch or in a Session: what is told is added to what it was told before."""

from __future__ import annotations

import asyncio

import grpc

from myeye.v1.detection_service_pb2 import (
    SessionCall,
    SessionOptions,
    SessionRequest,
    SessionUpdate,
    WatchRequest,
    WatchTarget,
)
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from myeye.v1.event_pb2 import Event
from tests.torture.callers import Caller
from tests.torture.calls import info_in, message_of, session
from tests.torture.records import Sight

SILENCE_S = 8.0
"""Four heartbeats: a watcher believes a stream that is silent for longer to be dead."""
NOT_FOUND = grpc.StatusCode.NOT_FOUND


class Gone(Exception):
    """The gateway says that there is no such job."""


async def look(stub: DetectionServiceStub, caller: Caller, job_id: str, sight: Sight, patience: int | None) -> None:
    """Watch until the end, or for so many messages.

    Raises:
        Gone: there is no such job.
        DOUBT: the stream was cut, or is silent.
    """
    call = stub.Watch(WatchRequest(job_id=job_id, after_sequence=_seen(sight)), metadata=caller.metadata)
    try:
        messages = 0
        while patience is None or messages < patience:
            async with asyncio.timeout(SILENCE_S):
                message = await call.read()
            if message is grpc.aio.EOF:
                sight.ended_ok = True
                return
            messages += 1
            if message.HasField("event"):
                _note(sight, message.event)
    except grpc.aio.AioRpcError as error:
        if error.code() is NOT_FOUND:
            raise Gone from error
        raise
    finally:
        call.cancel()


async def look_in_session(stub: DetectionServiceStub, caller: Caller, job_id: str, sight: Sight, patience: int | None) -> None:
    """Follow in a Session, acknowledge what is told, and half-close the stream when the end was. Raises as `look`."""
    target = WatchTarget(job_id=job_id, after_sequence=_seen(sight))
    async with session(stub, caller) as call:
        await call.write(
            SessionRequest(
                open=SessionOptions(detail=SessionOptions.DETAIL_EVENTS), calls=[SessionCall(correlation_id=1, follow=target)]
            )
        )
        messages = taken = 0
        while patience is None or messages < patience:
            async with asyncio.timeout(SILENCE_S):
                message = await message_of(call)
            messages += 1
            for answer in message.answers:
                if answer.HasField("error"):
                    raise Gone if answer.error.code == NOT_FOUND.value[0] else EOFError(info_in(answer.error).reason)
            for update in message.updates:
                _take(sight, update)
            taken += len(message.updates)
            if sight.end is not None:
                await _leave(call)
                sight.ended_ok = True
                return
            if message.updates:
                await call.write(SessionRequest(updates_acknowledged=taken))


def _take(sight: Sight, update: SessionUpdate) -> None:
    if update.HasField("error"):
        raise Gone
    if update.HasField("event"):
        _note(sight, update.event)


async def _leave(call: grpc.aio.StreamStreamCall) -> None:  # type: ignore[type-arg]
    await call.done_writing()
    while True:
        async with asyncio.timeout(SILENCE_S):
            if await call.read() is grpc.aio.EOF:
                return


def _seen(sight: Sight) -> int:
    return sight.events[-1][0] if sight.events else 0


def _note(sight: Sight, event: Event) -> None:
    sight.events.append((event.sequence, event.SerializeToString(deterministic=True)))
