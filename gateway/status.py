"""Refusals to google.rpc statuses: the one table of codes, reasons and details.

A status travels in the trailer of a call, and peers refuse long ones: 8 KiB is what gRPC takes by default, base64 included. So
what repeats the client's own words is cut, and of many things as many are told as fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from dispatch.errors import BlobUnavailable, BrokerUnavailable, ConfigurationError, DispatchError
from dispatch.events import Failure
from gateway import errors

T = TypeVar("T")

DOMAIN = "myeye"
MAX_MESSAGE_BYTES = 400
"""In UTF-8; the trailer has it twice, once with three bytes for each that is not ASCII."""
MAX_WORD_BYTES = 150
"""Of a field's path, of its description, and of an id, as they are told."""
MAX_LISTED_BYTES = 3500

CODES: dict[type[Exception], tuple[code_pb2.Code.ValueType, str]] = {
    errors.InvalidRequest: (code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST"),
    errors.UnreadableRequest: (code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST"),
    errors.ModelNotFound: (code_pb2.NOT_FOUND, "MODEL_NOT_FOUND"),
    errors.JobNotFound: (code_pb2.NOT_FOUND, "JOB_NOT_FOUND"),
    errors.JobPurged: (code_pb2.NOT_FOUND, "JOB_PURGED"),
    errors.ItemNotFound: (code_pb2.NOT_FOUND, "ITEM_NOT_FOUND"),
    errors.AnnotatedNotFound: (code_pb2.NOT_FOUND, "ANNOTATED_NOT_FOUND"),
    errors.PictureNotFound: (code_pb2.NOT_FOUND, "BLOB_NOT_FOUND"),
    errors.UploadNotFound: (code_pb2.NOT_FOUND, "UPLOAD_NOT_FOUND"),
    errors.UploadIncomplete: (code_pb2.FAILED_PRECONDITION, "UPLOAD_INCOMPLETE"),
    errors.UploadIdReused: (code_pb2.ALREADY_EXISTS, "UPLOAD_ID_REUSED"),
    errors.UploadOffsetOutOfRange: (code_pb2.OUT_OF_RANGE, "UPLOAD_OFFSET"),
    errors.UploadCorrupt: (code_pb2.DATA_LOSS, "UPLOAD_CORRUPT"),
    errors.UriForbidden: (code_pb2.FAILED_PRECONDITION, "URI_FORBIDDEN"),
    errors.WebhookSecretMissing: (code_pb2.FAILED_PRECONDITION, "WEBHOOK_SECRET_MISSING"),
    errors.RequestIdReused: (code_pb2.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
    errors.QueueIsFull: (code_pb2.RESOURCE_EXHAUSTED, "QUEUE_FULL"),
    errors.SessionWindowFull: (code_pb2.RESOURCE_EXHAUSTED, "SESSION_WINDOW"),
    errors.CursorOutOfRange: (code_pb2.OUT_OF_RANGE, "CURSOR_OUT_OF_RANGE"),
    errors.JobFinished: (code_pb2.FAILED_PRECONDITION, "JOB_FINISHED"),
    errors.JobNotFinished: (code_pb2.FAILED_PRECONDITION, "JOB_NOT_FINISHED"),
    errors.JobSucceeded: (code_pb2.FAILED_PRECONDITION, "JOB_SUCCEEDED"),
    errors.JobRetried: (code_pb2.FAILED_PRECONDITION, "JOB_RETRIED"),
    errors.InputMissing: (code_pb2.FAILED_PRECONDITION, "INPUT_MISSING"),
    BrokerUnavailable: (code_pb2.UNAVAILABLE, "BROKER_UNAVAILABLE"),
    ConfigurationError: (code_pb2.UNAVAILABLE, "BROKER_UNAVAILABLE"),  # an operator must act, the client can only wait
    BlobUnavailable: (code_pb2.UNAVAILABLE, "BLOBS_UNAVAILABLE"),
}

FAILURE_CODES: dict[str, code_pb2.Code.ValueType] = {
    "IMAGE_INVALID": code_pb2.INVALID_ARGUMENT,
    "IMAGE_TOO_LARGE": code_pb2.INVALID_ARGUMENT,
    "IMAGE_UNSUPPORTED": code_pb2.INVALID_ARGUMENT,
    "VIDEO_INVALID": code_pb2.INVALID_ARGUMENT,
    "VIDEO_TRUNCATED": code_pb2.INVALID_ARGUMENT,
    "VIDEO_TOO_LONG": code_pb2.INVALID_ARGUMENT,
    "VIDEO_UNSUPPORTED": code_pb2.INVALID_ARGUMENT,
    "CATEGORY_UNKNOWN": code_pb2.INVALID_ARGUMENT,
    "INPUT_MISSING": code_pb2.DATA_LOSS,
    "BLOB_UNAVAILABLE": code_pb2.UNAVAILABLE,
    "URI_FORBIDDEN": code_pb2.PERMISSION_DENIED,
    "URI_NOT_FOUND": code_pb2.NOT_FOUND,
    "URI_TOO_LARGE": code_pb2.INVALID_ARGUMENT,
    "URI_UNAVAILABLE": code_pb2.UNAVAILABLE,
    "WORKER_LOST": code_pb2.ABORTED,
    "DETECTOR_CRASHED": code_pb2.INTERNAL,
    "EXECUTION_TIMEOUT": code_pb2.DEADLINE_EXCEEDED,
    "CANCELLED": code_pb2.CANCELLED,
    "EXPIRED": code_pb2.DEADLINE_EXCEEDED,
    "INTERNAL": code_pb2.INTERNAL,
}


def status(code: code_pb2.Code.ValueType, reason: str, message: str, *details: Message, **metadata: str) -> status_pb2.Status:
    """Make a status with an ErrorInfo first and further details behind it."""
    packed = []
    for detail in (error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata), *details):
        packed.append(Any())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code, message=_cut(message, MAX_MESSAGE_BYTES), details=packed)


def status_of_failure(failure: Failure) -> status_pb2.Status:
    """Tell a failure of the work itself."""
    return status(FAILURE_CODES.get(failure.reason, code_pb2.UNKNOWN), failure.reason, failure.message)


def status_of_refusal(error: errors.Refusal | DispatchError, *, retry_after_s: float) -> status_pb2.Status:
    """Tell a refused call."""
    if isinstance(error, errors.Unavailable):
        code, reason = code_pb2.UNAVAILABLE, error.reason
    elif isinstance(error, errors.Unauthenticated):
        code, reason = code_pb2.UNAUTHENTICATED, error.reason
    elif isinstance(error, errors.Exhausted):
        code, reason = code_pb2.RESOURCE_EXHAUSTED, error.reason
    elif isinstance(error, errors.JobsNotFound):
        code, reason = CODES[errors.JobNotFound if error.unknown else errors.JobPurged]
    else:
        code, reason = CODES[type(error)]
    details: Sequence[Message] = ()
    metadata: dict[str, str] = {}
    match error:
        case errors.InvalidRequest(violations=violations):
            listed = _fitting(map(_field_violation, violations), error_details_pb2.BadRequest.FieldViolation.ByteSize)
            details = (error_details_pb2.BadRequest(field_violations=listed),)
            metadata = {"violations": str(len(violations))}
        case errors.ModelNotFound(models=models):
            metadata = {"models": ",".join(models)}
        case errors.UriForbidden(field=field):
            metadata = {"field": field}
        case errors.RequestIdReused(job_id=job_id) | errors.JobRetried(job_id=job_id):
            metadata = {"job_id": job_id}
        case (
            errors.UploadIncomplete(upload_id=upload_id, received=received)
            | errors.UploadOffsetOutOfRange(upload_id=upload_id, received=received)
        ):
            metadata = {"upload_id": upload_id, "received_bytes": str(received)}
        case (
            errors.UploadNotFound(upload_id=upload_id)
            | errors.UploadIdReused(upload_id=upload_id)
            | errors.UploadCorrupt(upload_id=upload_id)
        ):
            metadata = {"upload_id": upload_id}
        case errors.QueueIsFull(model=model, lane=lane):
            violation = error_details_pb2.QuotaFailure.Violation(subject=f"queue:{model}.{lane}", description=str(error))
            details = (error_details_pb2.QuotaFailure(violations=[violation]), _retry(retry_after_s))
        case errors.SessionWindowFull(window=window):
            violation = error_details_pb2.QuotaFailure.Violation(subject=f"session:{window}", description=str(error))
            details = (error_details_pb2.QuotaFailure(violations=[violation]), _retry(retry_after_s))
        case errors.Exhausted(limit=limit, subject=subject, wait_s=wait_s):
            violation = error_details_pb2.QuotaFailure.Violation(subject=subject, description=str(error))
            details = (error_details_pb2.QuotaFailure(violations=[violation]), _retry(wait_s + retry_after_s))
            metadata = {"limit": f"{limit:g}"}
        case errors.JobsNotFound(unknown=unknown, purged=purged):
            metadata = {"job_ids": ",".join(_fitting(map(_cut, (*unknown, *purged)), _size))}
        case errors.CursorOutOfRange(job_id=job_id, last_sequence=last_sequence):
            metadata = {"job_id": job_id, "last_sequence": str(last_sequence)}
        case errors.JobFinished(state=state) | errors.JobNotFinished(state=state) | errors.AnnotatedNotFound(state=state):
            metadata = {"state": state.name}
    if code == code_pb2.UNAVAILABLE:
        details = (_retry(retry_after_s),)
    return status(code, reason, str(error), *details, **metadata)


def _field_violation(violation: errors.Violation) -> error_details_pb2.BadRequest.FieldViolation:
    return error_details_pb2.BadRequest.FieldViolation(field=_cut(violation.field), description=_cut(violation.description))


def _fitting(things: Iterable[T], size: Callable[[T], int]) -> list[T]:
    """Give the first ones, as many as have room in a trailer."""
    room, fitting = MAX_LISTED_BYTES, []
    for thing in things:
        room -= size(thing)
        if room < 0:
            break
        fitting.append(thing)
    return fitting


def _size(text: str) -> int:
    return len(text.encode())


def _cut(text: str, most_bytes: int = MAX_WORD_BYTES) -> str:
    encoded = text.encode()
    return text if len(encoded) <= most_bytes else encoded[: most_bytes - len("…".encode())].decode(errors="ignore") + "…"


def _retry(after_s: float) -> error_details_pb2.RetryInfo:
    delay = Duration()
    delay.FromNanoseconds(int(after_s * 1e9))
    return error_details_pb2.RetryInfo(retry_delay=delay)
