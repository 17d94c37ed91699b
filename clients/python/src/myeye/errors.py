"""What a call can fail with, told apart by who must act: the caller, nobody (later it may work), or whoever runs the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import grpc
from google.protobuf import symbol_database
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

TRANSIENT = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,  # also a stream that a proxy reset
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,  # by the other side; our own cancelling is an asyncio.CancelledError
    }
)


PASSING = frozenset({"RATE_LIMITED", "TOO_MANY_WATCHES", "TOO_MANY_UPLOADS"})
"""Reasons of a refusal that a little patience mends."""


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong with a field of a request."""

    field: str
    """Its path, as "inputs[2].content"."""
    description: str
    """What is wrong."""


class MyeyeError(Exception):
    """Base of all. Raised itself where the service is at fault, and whoever runs it must look."""

    message: str
    """What went wrong, for people."""
    code: grpc.StatusCode
    """The call's status."""
    reason: str
    """The service's own word for it, such as "QUEUE_FULL"; empty when the transport failed."""
    metadata: Mapping[str, str]
    """What belongs to the reason, such as the id of the job."""
    details: tuple[Message, ...]
    """The google.rpc details, decoded."""
    retry_after_s: float | None
    """How many seconds the service asks to wait before the call is repeated; None if it does not say."""

    def __init__(self, message: str, *, code: grpc.StatusCode = grpc.StatusCode.UNKNOWN, details: Sequence[Message] = ()) -> None:
        """Make one of a call's status. Reason, metadata and the time to wait are among the details."""
        super().__init__(message)
        self.message = message
        self.code = code
        self.details = tuple(details)
        info = next((detail for detail in details if isinstance(detail, ErrorInfo)), ErrorInfo())
        self.reason = info.reason
        self.metadata = dict(info.metadata)
        self.retry_after_s = next(
            (detail.retry_delay.ToNanoseconds() / 1e9 for detail in details if isinstance(detail, RetryInfo)), None
        )

    @property
    def transient(self) -> bool:
        """Whether the same call may work a little later."""
        return self.code in TRANSIENT or self.reason in PASSING


class InvalidRequest(MyeyeError):
    """The request is wrong."""

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Every wrong field of the request."""
        listed = (field for detail in self.details if isinstance(detail, BadRequest) for field in detail.field_violations)
        return tuple(Violation(field.field, field.description) for field in listed)


class NotFound(MyeyeError):
    """There is no such job (reasons JOB_NOT_FOUND, JOB_PURGED), model (MODEL_NOT_FOUND), item (ITEM_NOT_FOUND), picture
    (ANNOTATED_NOT_FOUND, BLOB_NOT_FOUND) or upload (UPLOAD_NOT_FOUND).
    """


class Conflict(MyeyeError):
    """The request_id was used for another request."""


class FailedPrecondition(MyeyeError):
    """The job's state does not allow it."""


class AccessDenied(MyeyeError):
    """The service does not know the caller, or does not let it do this."""


class Unauthenticated(AccessDenied):
    """The service does not know who calls: no token (reason TOKEN_MISSING), or one that is no good (TOKEN_INVALID,
    TOKEN_EXPIRED);
    CERTIFICATE_MISSING, CERTIFICATE_INVALID and CERTIFICATE_EXPIRED where certificates tell who one is.
    """


class PermissionDenied(AccessDenied):
    """The service knows who calls, and does not let them do this."""


class ResourceExhausted(MyeyeError):
    """A limit was reached: too large a message, or too many calls."""


class QueueFull(ResourceExhausted):
    """The queue takes no more now; nothing was kept. `retry_after_s` says when to try again."""


class QuotaExceeded(ResourceExhausted):
    """The caller has all that it may have (QUOTA_JOBS, QUOTA_ITEMS, QUOTA_BYTES), or it, or everybody together, does too much at
    once (RATE_LIMITED, TOO_MANY_WATCHES, TOO_MANY_UPLOADS); nothing was kept. `AsyncClient.capabilities` tells the limits.
    """


class Unavailable(MyeyeError):
    """The service was not reached, did not answer in time, or starts or stops. Trying again later may help."""


class ProtocolError(MyeyeError):
    """The service broke a promise of its contract, such as a gap in a job's history."""


CLASSES: Mapping[grpc.StatusCode, type[MyeyeError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: Unavailable,
    grpc.StatusCode.CANCELLED: Unavailable,
}

CODES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


def from_rpc_error(error: grpc.aio.AioRpcError) -> MyeyeError:
    """Turn a call's status into the exception of its class."""
    status = rpc_status.from_call(error) or Status()
    return _made(error.code(), error.details() or "", status)


def from_status(status: Status) -> MyeyeError:
    """Turn the status of one call of a session into the exception that the same call alone would raise."""
    return _made(CODES.get(status.code, grpc.StatusCode.UNKNOWN), status.message, status)


def _made(code: grpc.StatusCode, message: str, status: Status) -> MyeyeError:
    details = decode_details(status.details)
    kind = CLASSES.get(code, MyeyeError)
    if kind is ResourceExhausted:
        kind = _exhausted(next((detail.reason for detail in details if isinstance(detail, ErrorInfo)), ""))
    return kind(message or code.name, code=code, details=details)


def _exhausted(reason: str) -> type[ResourceExhausted]:
    if reason == "QUEUE_FULL":
        return QueueFull
    return QuotaExceeded if reason in PASSING or reason.startswith("QUOTA_") else ResourceExhausted


def reason(status: Status) -> str:
    """Give the reason of an item's or a job's `error`, such as "IMAGE_INVALID"; empty when it has none."""
    return next((detail.reason for detail in decode_details(status.details) if isinstance(detail, ErrorInfo)), "")


def decode_details(packed: Sequence[Any]) -> list[Message]:
    """Unpack the details whose types are known here; the others stay packed."""
    return [_unpack(detail) for detail in packed]


def _unpack(packed: Any) -> Message:
    try:
        message = symbol_database.Default().GetSymbol(packed.TypeName())()
    except KeyError:
        return packed
    packed.Unpack(message)
    return message
