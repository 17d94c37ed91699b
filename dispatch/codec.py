"""Events to the bytes of the log and back. Pure pairs: what is encoded here is decoded here."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from dispatch.blob_name import check_name
from dispatch.events import (
    Accepted,
    Cancelled,
    Enqueued,
    Event,
    Expired,
    Failed,
    Failure,
    FramesFound,
    Marker,
    ModelOffered,
    NoticeBegan,
    NoticeEnded,
    Purged,
    Refused,
    Spec,
    Started,
    Succeeded,
)
from dispatch.ports import Lane
from dispatch.v1 import event_pb2

log = logging.getLogger(__name__)

MAX_MODEL_BYTES = 128
MAX_DURATION_S = 315_576_000_000
"""As google.protobuf.Duration has it: ten thousand years."""
MAX_TIMESTAMP_S = 253_402_300_800
"""As google.protobuf.Timestamp has it: the year 9999."""


def timestamp(ns: int) -> Timestamp:
    """Make a Timestamp of nanoseconds since 1970."""
    return Timestamp(seconds=ns // 1_000_000_000, nanos=ns % 1_000_000_000)


def nanoseconds(value: Timestamp | Duration) -> int:
    """Read a Timestamp as nanoseconds since 1970, or a Duration as nanoseconds."""
    return value.seconds * 1_000_000_000 + value.nanos


def duration(ns: int) -> Duration:
    """Make a Duration of nanoseconds."""
    value = Duration()
    value.FromNanoseconds(ns)
    return value


def spec_of(body: bytes) -> Spec:
    """Read what the life cycle and look-ups need from a serialized JobSpec.

    Raises:
        DecodeError: it is not one.
        ValueError: it has no item or no attempt, or a lane, a model or a length of time that cannot be.
    """
    message = event_pb2.JobSpec.FromString(body)
    if len(message.model.encode()) > MAX_MODEL_BYTES:
        raise ValueError("the name of its model is too long to be that of a queue")
    return Spec(
        principal=sys.intern(message.principal),  # these are some of few, and kept by every job
        model=sys.intern(message.model),
        priority=Lane(message.priority or Lane.NORMAL),
        items=len(message.inputs),
        max_attempts=message.max_attempts,
        ttl_ns=_length(message.ttl),
        start_deadline_ns=_length(message.start_deadline) if message.HasField("start_deadline") else None,
        labels=tuple(sorted(message.labels.items())),
        body=body,
        retry_of=message.retry_of,
        retry_request_id=message.retry_request_id,
        stored_bytes=sum(max(0, source.size_bytes) for source in message.inputs),
        reserved=_reserved(message),
        webhook=bool(message.webhook),
    )


def _reserved(spec: event_pb2.JobSpec) -> tuple[int, ...]:
    if not any(source.HasField("remote") for source in spec.inputs):
        return ()
    return tuple(max(0, source.size_bytes) if source.HasField("remote") else 0 for source in spec.inputs)


def _length(value: Duration) -> int:
    """Read a Duration that no forger made up.

    Raises:
        ValueError: it is negative or longer than a Duration can be.
    """
    if not 0 <= (ns := nanoseconds(value)) <= MAX_DURATION_S * 1_000_000_000:
        raise ValueError(f"{value.seconds} s is no length of time")
    return ns


def _time(value: Timestamp) -> int:
    """Read a Timestamp from 1970 on.

    Raises:
        ValueError: it is before, or later than a Timestamp can be.
    """
    if not 0 <= (ns := nanoseconds(value)) < MAX_TIMESTAMP_S * 1_000_000_000:
        raise ValueError(f"{value.seconds} s is no time")
    return ns


def encode_record(events: Iterable[Event]) -> bytes:
    """Serialize events that are appended together."""
    return event_pb2.Record(events=map(_to_message, events)).SerializeToString()


def decode_record(body: bytes) -> list[Event]:
    """Read the events of a record. What this version does not know is left out and logged: a newer one may have written it."""
    try:
        record = event_pb2.Record.FromString(body)
    except DecodeError:
        log.error("a record of %d bytes in the event log is not readable and was left out", len(body))
        return []
    events = []
    for message in record.events:
        try:
            events.append(_from_message(message))
        except (KeyError, ValueError, DecodeError) as error:
            log.error(
                "event %s of job %r is not known to this version and was left out: %r", message.id.hex(), message.job_id, error
            )
    return events


def _to_message(event: Event) -> event_pb2.Event:
    message = event_pb2.Event(id=event.id, job_id=event.job_id, time=timestamp(event.time_ns))
    getattr(message, _FIELD[type(event)]).SetInParent()
    match event:
        case Accepted():
            message.accepted.spec.MergeFromString(event.spec.body)
            message.accepted.request_digest = event.digest
        case Refused():
            message.refused.reason = event.reason
        case Started():
            message.started.item = event.item
            message.started.task_id = event.task_id
            message.started.run_id = event.run_id
            message.started.worker = event.worker
            message.started.accepted_id = event.accepted_id
        case Succeeded():
            message.succeeded.item = event.item
            message.succeeded.run_id = event.run_id
            message.succeeded.result = event.result
            message.succeeded.timings = event.timings
            message.succeeded.video = event.video
            if event.fetched_bytes is not None:
                message.succeeded.fetched_bytes = event.fetched_bytes
        case FramesFound():
            found = message.frames_found
            found.item = event.item
            found.run_id = event.run_id
            found.first_frame = event.first
            found.frame_count = event.count
            found.frames = event.frames
            found.video = event.video
        case Failed():
            failed = message.failed
            failed.item = event.item
            failed.run_id = event.run_id
            failed.task_id = event.task_id
            failed.accepted_id = event.accepted_id
            failed.failure.reason = event.failure.reason
            failed.failure.message = event.failure.message
            failed.retryable = event.retryable
            if event.next_attempt_ns is not None:
                failed.next_attempt_time.CopyFrom(timestamp(event.next_attempt_ns))
            failed.next_task_id = event.next_task_id
            if event.fetched_bytes is not None:
                failed.fetched_bytes = event.fetched_bytes
        case NoticeBegan():
            message.notice_began.attempt = event.attempt
            message.notice_began.until_time.CopyFrom(timestamp(event.until_ns))
        case NoticeEnded():
            ended = message.notice_ended
            ended.attempt = event.attempt
            ended.delivered = event.delivered
            ended.error = event.error
            if event.next_ns is not None:
                ended.next_attempt_time.CopyFrom(timestamp(event.next_ns))
        case Cancelled():
            message.cancelled.reason = event.reason
        case Marker():
            message.marker.writer = event.writer
        case ModelOffered():
            offered = message.model_offered
            offered.worker = event.worker
            offered.name = event.name
            offered.categories.extend(event.categories)
            offered.sha256 = event.sha256
            offered.default_score_threshold = event.default_score_threshold
    return message


_FIELD: dict[type[Event], str] = {
    Accepted: "accepted",
    Enqueued: "enqueued",
    Refused: "refused",
    Started: "started",
    Succeeded: "succeeded",
    FramesFound: "frames_found",
    Failed: "failed",
    Cancelled: "cancelled",
    Expired: "expired",
    Purged: "purged",
    NoticeBegan: "notice_began",
    NoticeEnded: "notice_ended",
    ModelOffered: "model_offered",
    Marker: "marker",
}


def _from_message(message: event_pb2.Event) -> Event:
    id_, job_id, time_ns = message.id, message.job_id, _time(message.time)
    kind = message.WhichOneof("kind")
    match kind:
        case "accepted":
            if "/" in check_name(job_id):  # its pictures are removed by it
                raise ValueError(f"{job_id!r} is no job's id")
            body = message.accepted.spec.SerializeToString(deterministic=True)
            return Accepted(id=id_, job_id=job_id, time_ns=time_ns, spec=spec_of(body), digest=message.accepted.request_digest)
        case "enqueued":
            return Enqueued(id=id_, job_id=job_id, time_ns=time_ns)
        case "refused":
            return Refused(id=id_, job_id=job_id, time_ns=time_ns, reason=message.refused.reason)
        case "started":
            started = message.started
            return Started(
                id=id_,
                job_id=job_id,
                time_ns=time_ns,
                item=started.item,
                task_id=started.task_id,
                run_id=started.run_id,
                worker=sys.intern(started.worker),  # one of few, kept by every job
                accepted_id=started.accepted_id,
            )
        case "succeeded":
            succeeded = message.succeeded
            return Succeeded(
                id=id_,
                job_id=job_id,
                time_ns=time_ns,
                item=succeeded.item,
                run_id=succeeded.run_id,
                result=succeeded.result,
                timings=succeeded.timings,
                video=succeeded.video,
                fetched_bytes=max(0, succeeded.fetched_bytes) if succeeded.HasField("fetched_bytes") else None,
            )
        case "frames_found":
            found = message.frames_found
            return FramesFound(
                id=id_,
                job_id=job_id,
                time_ns=time_ns,
                item=found.item,
                run_id=found.run_id,
                first=found.first_frame,
                count=found.frame_count,
                frames=found.frames,
                video=found.video,
            )
        case "failed":
            failed = message.failed
            return Failed(
                id=id_,
                job_id=job_id,
                time_ns=time_ns,
                item=failed.item,
                run_id=failed.run_id,
                task_id=failed.task_id,
                accepted_id=failed.accepted_id,
                failure=Failure(failed.failure.reason, failed.failure.message),
                retryable=failed.retryable,
                next_attempt_ns=_time(failed.next_attempt_time) if failed.HasField("next_attempt_time") else None,
                next_task_id=failed.next_task_id,
                fetched_bytes=max(0, failed.fetched_bytes) if failed.HasField("fetched_bytes") else None,
            )
        case "cancelled":
            return Cancelled(id=id_, job_id=job_id, time_ns=time_ns, reason=message.cancelled.reason)
        case "expired":
            return Expired(id=id_, job_id=job_id, time_ns=time_ns)
        case "purged":
            return Purged(id=id_, job_id=job_id, time_ns=time_ns)
        case "notice_began":
            began = message.notice_began
            return NoticeBegan(id=id_, job_id=job_id, time_ns=time_ns, attempt=began.attempt, until_ns=_time(began.until_time))
        case "notice_ended":
            ended = message.notice_ended
            return NoticeEnded(
                id=id_,
                job_id=job_id,
                time_ns=time_ns,
                attempt=ended.attempt,
                delivered=ended.delivered,
                error=ended.error,
                next_ns=_time(ended.next_attempt_time) if ended.HasField("next_attempt_time") else None,
            )
        case "model_offered":
            offered = message.model_offered
            return ModelOffered(
                id=id_,
                job_id=job_id,
                time_ns=time_ns,
                worker=offered.worker,
                name=offered.name,
                categories=tuple(offered.categories),
                sha256=offered.sha256,
                default_score_threshold=offered.default_score_threshold,
            )
        case "marker":
            return Marker(id=id_, job_id=job_id, time_ns=time_ns, writer=message.marker.writer)
        case _:
            raise KeyError(kind)
