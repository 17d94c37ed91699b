"""Exit codes, and errors in words for somebody who did not write this."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

import grpc
from google.rpc import code_pb2

from myeye.errors import (
    AccessDenied,
    InvalidRequest,
    MyeyeError,
    NotFound,
    ProtocolError,
    QueueFull,
    QuotaExceeded,
    Unauthenticated,
    Unavailable,
)
from myeye.v1.detection_service_pb2 import RetryOutcome
from myeye.v1.job_pb2 import Job, State


class Exit(IntEnum):
    DONE = 0
    FAILED = 1
    USAGE = 2
    UNAVAILABLE = 3
    NOT_FOUND = 4
    REFUSED = 5
    DENIED = 6
    INTERRUPTED = 130


MEANINGS = """\
exit codes:
  0    all of it succeeded
  1    a job did not succeed, or not all of it, or a picture could not be written; or the service is at fault
  2    the command line is wrong, or a file cannot be read
  3    the service is unavailable or its queue is full: try again later
  4    there is no such job or model
  5    refused: an invalid request, a conflict, or not in this state of the job
  6    the service does not know who you are, or does not let you do this
  130  interrupted
"""


def exit_of_jobs(jobs: Iterable[Job]) -> Exit:
    """Say how watching jobs to their end went."""
    return Exit.DONE if all(job.state == State.STATE_SUCCEEDED for job in jobs) else Exit.FAILED


def exit_of_retries(outcomes: Iterable[RetryOutcome]) -> Exit:
    """Say how retrying several jobs went: as the first that was refused, if one was."""
    refused = next((outcome.error for outcome in outcomes if not outcome.new_job_id), None)
    if refused is None:
        return Exit.DONE
    match refused.code:
        case code_pb2.RESOURCE_EXHAUSTED:
            return Exit.UNAVAILABLE
        case code_pb2.NOT_FOUND:
            return Exit.NOT_FOUND
    return Exit.REFUSED


def exit_of_error(error: MyeyeError | OSError) -> Exit:
    """Say how a command failed."""
    match error:
        case OSError():
            return Exit.USAGE
        case Unavailable() | QueueFull() | QuotaExceeded():
            return Exit.UNAVAILABLE
        case NotFound():
            return Exit.NOT_FOUND
        case AccessDenied():
            return Exit.DENIED
        case ProtocolError():
            return Exit.FAILED
        case _:
            return Exit.FAILED if type(error) is MyeyeError else Exit.REFUSED


def explain(error: MyeyeError | OSError, target: str) -> list[str]:
    """Give an error as lines to read."""
    match error:
        case OSError():
            return [f"{error.filename}: {error.strerror}" if error.filename else str(error)]
        case InvalidRequest(violations=violations) if violations:
            return [f"{violation.field}: {violation.description}" for violation in violations]
        case Unavailable(code=grpc.StatusCode.DEADLINE_EXCEEDED):
            return [f"{target} did not answer in time: {error.message}"]
        case Unavailable(reason=""):
            return [f"nothing answers at {target}; is it running? (make up)"]
        case Unauthenticated(reason="TOKEN_MISSING"):
            return [f"{target} asks who you are: give a token, as MYEYE_TOKEN or with --token-file"]
        case QueueFull(retry_after_s=float(seconds)) | QuotaExceeded(retry_after_s=float(seconds)):
            return [error.message, f"try again in {seconds:g} s"]
    return [f"{error.message} ({error.reason or error.code.name})"]
