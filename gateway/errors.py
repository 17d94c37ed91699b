"""What a call can be refused with. `gateway.status` tells it to the client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dispatch.lifecycle import State


class Refusal(Exception):
    """Base: the call did not do what it asked for, on purpose. Its text is meant for the client."""


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong with a field; `field` is its path, as "inputs[2].content"."""

    field: str
    description: str


class InvalidRequest(Refusal):
    """Fields are wrong; all of them at once."""

    def __init__(self, *violations: Violation) -> None:
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations))
        self.violations = violations


class UnreadableRequest(Refusal):
    """The bytes are no message of the method's type."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the request cannot be read: {why}")


class ModelNotFound(Refusal):
    def __init__(self, model: str, models: list[str]) -> None:
        super().__init__(f"no model {model!r}; there are: {', '.join(models)}")
        self.models = models


class Unauthenticated(Refusal):
    """Who calls is not known; `reason` says what is wrong with what they have shown."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class JobNotFound(Refusal):
    def __init__(self, job_id: str) -> None:
        super().__init__(f"no job {job_id!r}")


class JobPurged(Refusal):
    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id} was finished and has been removed")


class JobsNotFound(Refusal):
    """Of several jobs; those that were removed are told apart."""

    def __init__(self, unknown: Sequence[str], purged: Sequence[str]) -> None:
        parts = [f"no job {job_id!r}" for job_id in unknown]
        parts += [f"job {job_id} was finished and has been removed" for job_id in purged]
        super().__init__("; ".join(parts))
        self.unknown = unknown
        self.purged = purged


class ItemNotFound(Refusal):
    def __init__(self, job_id: str, index: int, count: int) -> None:
        super().__init__(f"job {job_id} has no item {index}; its items are 0 to {count - 1}")


class AnnotatedNotFound(Refusal):
    def __init__(self, job_id: str, index: int, state: State, why: str) -> None:
        super().__init__(f"there is no annotated picture or video of item {index} of job {job_id}: {why}")
        self.state = state


class PictureNotFound(Refusal):
    def __init__(self) -> None:
        super().__init__("the picture is not in the blob store any more")


class UploadNotFound(Refusal):
    def __init__(self, upload_id: str) -> None:
        super().__init__(f"no upload {upload_id!r}; it may have expired")
        self.upload_id = upload_id


class UploadIncomplete(Refusal):
    def __init__(self, upload_id: str, received: int, size: int) -> None:
        super().__init__(f"upload {upload_id!r} is not complete: {received} of {size} bytes were received")
        self.upload_id = upload_id
        self.received = received


class UploadIdReused(Refusal):
    def __init__(self, upload_id: str) -> None:
        super().__init__(f"upload {upload_id!r} was begun with another size or hash")
        self.upload_id = upload_id


class UploadOffsetOutOfRange(Refusal):
    def __init__(self, upload_id: str, offset: int, received: int) -> None:
        super().__init__(f"offset {offset} is beyond the {received} bytes that were received of upload {upload_id!r}")
        self.upload_id = upload_id
        self.received = received


class UploadCorrupt(Refusal):
    def __init__(self, upload_id: str) -> None:
        super().__init__(f"what was received as upload {upload_id!r} has not the hash that was announced; it was removed")
        self.upload_id = upload_id


class UriForbidden(Refusal):
    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field


class WebhookSecretMissing(Refusal):
    def __init__(self) -> None:
        super().__init__("the operator keeps no secret to sign this caller's webhooks with")


class RequestIdReused(Refusal):
    def __init__(self, request_id: str, job_id: str) -> None:
        super().__init__(f"request_id {request_id!r} was used for another request, which made job {job_id}")
        self.job_id = job_id


class QueueIsFull(Refusal):
    def __init__(self, model: str, lane: str) -> None:
        super().__init__(f"the {lane} queue of model {model} is full; nothing of this request was kept")
        self.model = model
        self.lane = lane


class SessionWindowFull(Refusal):
    """`window` is that of the calls or that of the jobs."""

    def __init__(self, window: str, limit: int) -> None:
        super().__init__(f"a session may have {limit} {window} under way; nothing of this call was kept")
        self.window = window


class Exhausted(Refusal):
    """A quota or a limit on what goes on at once is used up; `reason` says which, `subject` whose it is, and `limit` how much.

    What is asked for may be had in `wait_s` seconds, though nobody knows.
    """

    def __init__(self, reason: str, message: str, *, limit: float, wait_s: float, subject: str = "principal") -> None:
        super().__init__(message)
        self.reason = reason
        self.limit = limit
        self.wait_s = wait_s
        self.subject = subject


class CursorOutOfRange(Refusal):
    def __init__(self, job_id: str, after_sequence: int, last_sequence: int) -> None:
        beyond = f"after_sequence {after_sequence} is beyond the history of job {job_id}"
        super().__init__(f"{beyond}, whose last sequence is {last_sequence}")
        self.job_id = job_id
        self.last_sequence = last_sequence


class JobFinished(Refusal):
    def __init__(self, state: State) -> None:
        super().__init__(f"the job has already ended: {state.name}")
        self.state = state


class JobNotFinished(Refusal):
    def __init__(self, state: State) -> None:
        super().__init__(f"the job has not ended yet: {state.name}")
        self.state = state


class JobSucceeded(Refusal):
    def __init__(self) -> None:
        super().__init__("every item of the job succeeded; there is nothing to do again")


class JobRetried(Refusal):
    """`job_id` is the newest job of those that repeat it, or repeat these."""

    def __init__(self, old_id: str, job_id: str) -> None:
        super().__init__(f"job {old_id} was retried before; its newest retry is job {job_id}")
        self.job_id = job_id


class InputMissing(Refusal):
    def __init__(self, name: str) -> None:
        super().__init__(f"the picture {name!r} is not in the blob store any more")


class Unavailable(Refusal):
    """Not now; the same call may work a little later. `reason` says what stands in the way."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
