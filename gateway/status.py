"""Refusals to google.rpc statuses: the one table of codes, reasons and details."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from dispatch.errors import BlobUnavailable, BrokerUnavailable, ConfigurationError, DispatchError
from dispatch.events import Failure
from gateway import errors

DOMAIN = "myeye"

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
    errors.RequestIdReused: (code_pb2.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
    errors.QueueIsFull: (code_pb2.RESOURCE_EXHAUSTED, "QUEUE_FULL"),
    errors.CursorOutOfRange: (code_pb2.OUT_OF_RANGE, "CURSOR_OUT_OF_RANGE"),
    errors.JobFinished: (code_pb2.FAILED_PRECONDITION, "JOB_FINISHED"),
    errors.JobNotFinished: (code_pb2.FAILED_PRECONDITION, "JOB_NOT_FINISHED"),
    errors.JobSucceeded: (code_pb2.FAILED_PRECONDITION, "JOB_SUCCEEDED"),
    errors.InputMissing: (code_pb2.FAILED_PRECONDITION, "INPUT_MISSING"),
    BrokerUnavailable: (code_pb2.UNAVAILABLE, "BROKER_UNAVAILABLE"),
    ConfigurationError: (code_pb2.UNAVAILABLE, "BROKER_UNAVAILABLE"),  # an operator must act, the client can only wait
    BlobUnavailable: (code_pb2.UNAVAILABLE, "BLOBS_UNAVAILABLE"),
}

FAILURE_CODES: dict[str, code_pb2.Code.ValueType] = {
    "IMAGE_INVALID": code_pb2.INVALID_ARGUMENT,
    "IMAGE_TOO_LARGE": code_pb2.INVALID_ARGUMENT,
    "IMAGE_UNSUPPORTED": code_pb2.INVALID_ARGUMENT,
    "CATEGORY_UNKNOWN": code_pb2.INVALID_ARGUMENT,
    "INPUT_MISSING": code_pb2.DATA_LOSS,
    "BLOB_UNAVAILABLE": code_pb2.UNAVAILABLE,
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
    return status_pb2.Status(code=code, message=message, details=packed)


def status_of_failure(failure: Failure) -> status_pb2.Status:
    """Tell a failure of the work itself."""
    return status(FAILURE_CODES.get(failure.reason, code_pb2.UNKNOWN), failure.reason, failure.message)


def status_of_refusal(error: errors.Refusal | DispatchError, *, retry_after_s: float) -> status_pb2.Status:
    """Tell a refused call."""
    if isinstance(error, errors.Unavailable):
        code, reason = code_pb2.UNAVAILABLE, error.reason
    elif isinstance(error, errors.JobsNotFound):
        code, reason = CODES[errors.JobNotFound if error.unknown else errors.JobPurged]
    else:
        code, reason = CODES[type(error)]
    details: Sequence[Message] = ()
    metadata: dict[str, str] = {}
    match error:
        case errors.InvalidRequest(violations=violations):
            listed = [error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.description) for v in violations]
            details = (error_details_pb2.BadRequest(field_violations=listed),)
        case errors.ModelNotFound(models=models):
            metadata = {"models": ",".join(models)}
        case errors.RequestIdReused(job_id=job_id):
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
        case errors.JobsNotFound(unknown=unknown, purged=purged):
            metadata = {"job_ids": ",".join([*unknown, *purged])}
        case errors.CursorOutOfRange(job_id=job_id, last_sequence=last_sequence):
            metadata = {"job_id": job_id, "last_sequence": str(last_sequence)}
        case errors.JobFinished(state=state) | errors.JobNotFinished(state=state) | errors.AnnotatedNotFound(state=state):
            metadata = {"state": state.name}
    if code == code_pb2.UNAVAILABLE:
        details = (_retry(retry_after_s),)
    return status(code, reason, str(error), *details, **metadata)


def _retry(after_s: float) -> error_details_pb2.RetryInfo:
    delay = Duration()
    delay.FromNanoseconds(int(after_s * 1e9))
    return error_details_pb2.RetryInfo(retry_delay=delay)
