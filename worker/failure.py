"""What went wrong in an attempt, told in the words that clients see."""

from __future__ import annotations

from dataclasses import dataclass

from dispatch.errors import BlobNotFound, BlobUnavailable
from dispatch.events import Failure
from egress.errors import EgressError, Forbidden, NotThere, TooLarge, Unreachable
from worker.detection import DetectorFailed, PictureRejected
from worker.video.rejected import VideoRejected

FORESEEN = (PictureRejected, VideoRejected, BlobNotFound, DetectorFailed, BlobUnavailable, EgressError, TimeoutError)


@dataclass(frozen=True, slots=True)
class AttemptFailure:
    """Why an attempt failed, and whether another may do better."""

    failure: Failure
    retryable: bool


def failure_of(error: Exception) -> AttemptFailure:
    """Say what an exception of an attempt means. Texts of drivers and libraries stay in the worker's log."""
    match error:
        case PictureRejected() | VideoRejected():
            return AttemptFailure(Failure(error.reason, error.message), retryable=False)
        case BlobNotFound():
            return AttemptFailure(Failure("INPUT_MISSING", "the picture or video is no longer stored"), retryable=False)
        case DetectorFailed():
            return AttemptFailure(Failure(error.reason, error.message), retryable=True)
        case BlobUnavailable():
            return AttemptFailure(Failure("BLOB_UNAVAILABLE", "the blob store did not answer"), retryable=True)
        case Forbidden():
            return AttemptFailure(Failure("URI_FORBIDDEN", str(error)), retryable=False)
        case NotThere():
            return AttemptFailure(Failure("URI_NOT_FOUND", str(error)), retryable=False)
        case TooLarge():
            return AttemptFailure(Failure("URI_TOO_LARGE", str(error)), retryable=False)
        case Unreachable():
            return AttemptFailure(Failure("URI_UNAVAILABLE", str(error)), retryable=not error.lasting)
        case TimeoutError():
            return AttemptFailure(Failure("EXECUTION_TIMEOUT", "the attempt took longer than its time limit"), retryable=True)
        case _:
            return AttemptFailure(Failure("INTERNAL", "an unexpected error, described in the worker's log"), retryable=True)
