"""What a client asks a gateway for, by a method of its own or in a Session, and what it may be told.

An answer, or `Refused`: there is no doubt. Everything else leaves doubt: what was asked for may come to be, even later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from myeye.v1.detection_service_pb2 import (
    RetryManyRequest,
    RetryOutcome,
    RetryRequest,
    SessionCall,
    SessionOptions,
    SessionRequest,
    SessionResponse,
    SubmitRequest,
)
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from myeye.v1.job_pb2 import Input
from tests.torture.callers import Caller
from tests.torture.records import Method, Submission

CALL_S = 10.0
KEPT_FOR_S = 3 * 86_400
"""Longer than the clocks jump."""
PLAIN = frozenset(
    {
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.ALREADY_EXISTS,
    }
)
"""With a reason of ours, these say that nothing was done."""
PASSING = frozenset({"QUEUE_FULL", "QUOTA_JOBS", "QUOTA_ITEMS", "QUOTA_BYTES"})
"""Reasons why a job is not made now, and may be a little later."""
DOUBT = (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError, TimeoutError, EOFError)
"""Whatever a call that was cut raises."""


class Refused(Exception):
    """Nothing was made, and the gateway says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def request_of(submission: Submission) -> SubmitRequest:
    """Say what a job is to be."""
    return SubmitRequest(
        request_id=submission.request_id,
        inputs=[Input(name=picture.nature, content=picture.content) for picture in submission.pictures or ()],
        max_attempts=submission.max_attempts,
        execution_timeout=Duration(seconds=2),
        ttl=Duration(seconds=KEPT_FOR_S),
        annotate=submission.annotate,
        labels={"client": submission.label},
    )


async def make(stub: DetectionServiceStub, caller: Caller, submission: Submission, *, limit_s: float = CALL_S) -> str:
    """Ask for a job, by Submit or by Retry; give its id.

    Raises:
        Refused: it was not made.
        DOUBT: it may come to be.
    """
    try:
        if submission.method is Method.RETRY:
            retry = RetryRequest(job_id=submission.retry_of, request_id=submission.request_id)
            return (await stub.Retry(retry, timeout=limit_s, metadata=caller.metadata)).job.id
        return (await stub.Submit(request_of(submission), timeout=limit_s, metadata=caller.metadata)).job.id
    except grpc.aio.AioRpcError as error:
        raise plain(error) from error


async def retry_many(
    stub: DetectionServiceStub, caller: Caller, request: RetryManyRequest, *, limit_s: float = CALL_S
) -> tuple[list[RetryOutcome], str]:
    """Retry several; give what became of each, and where to go on. Raises as `make`."""
    try:
        answer = await stub.RetryMany(request, timeout=limit_s, metadata=caller.metadata)
    except grpc.aio.AioRpcError as error:
        raise plain(error) from error
    return list(answer.outcomes), answer.next_page_token


async def make_in_session(
    stub: DetectionServiceStub,
    caller: Caller,
    submissions: Mapping[int, Submission],
    answered: Callable[[int, str | Refused], None],
) -> None:
    """Submit several at once over one stream; hand each plain answer over as it comes. Raises DOUBT when it is cut before."""
    calls = [SessionCall(correlation_id=number, submit=request_of(each)) for number, each in submissions.items()]
    async with asyncio.timeout(CALL_S), session(stub, caller) as call:
        await call.write(SessionRequest(open=SessionOptions(detail=SessionOptions.DETAIL_ENDS), calls=calls))
        left = len(calls)
        while left:
            for answer in (await message_of(call)).answers:
                left -= 1
                if answer.HasField("submit"):
                    answered(answer.correlation_id, answer.submit.job.id)
                elif reason := refusal_in(answer.error):
                    answered(answer.correlation_id, Refused(reason))


@asynccontextmanager
async def session(
    stub: DetectionServiceStub, caller: Caller
) -> AsyncIterator[grpc.aio.StreamStreamCall[SessionRequest, SessionResponse]]:
    """Be in a Session, which is left by breaking it off."""
    call = stub.Session(metadata=caller.metadata)
    try:
        yield call
    finally:
        call.cancel()


async def message_of(call: grpc.aio.StreamStreamCall[SessionRequest, SessionResponse]) -> SessionResponse:
    """Wait for what a Session says next; an EOFError says that it has ended."""
    message = await call.read()
    if not isinstance(message, SessionResponse):
        raise EOFError("the stream has ended")
    return message


def plain(error: grpc.aio.AioRpcError) -> Exception:
    """Give the refusal that an error is, or the error if it leaves doubt."""
    reason = _reason(error)
    return Refused(reason) if error.code() in PLAIN and reason else error


def refusal_in(status: Status) -> str:
    """Give the reason of an answer in a Session; empty if it leaves doubt."""
    return info_in(status).reason if status.code in {code.value[0] for code in PLAIN} else ""


def _reason(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    return info_in(status).reason if status else ""


def info_in(status: Status) -> ErrorInfo:
    """Read an error's ErrorInfo; an empty one if there is none."""
    info = ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info):
            break
    return info
