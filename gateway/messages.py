"""Jobs and their histories as the public messages. Equal jobs give equal bytes, on every gateway."""

from __future__ import annotations

import time
from collections.abc import Iterable

from google.rpc.status_pb2 import Status

from dispatch.codec import timestamp
from dispatch.lifecycle import (
    FramesDetected,
    Item,
    ItemFinished,
    ItemRetrying,
    ItemStarted,
    Job,
    JobAccepted,
    JobFinished,
    Notice,
    State,
)
from dispatch.v1.event_pb2 import JobSpec
from gateway.status import status_of_failure
from gateway.store import Store
from gateway.workers import Workers
from myeye.v1 import event_pb2, job_pb2


class Teller:
    """Tells clients of jobs."""

    def __init__(self, store: Store, workers: Workers) -> None:
        self._store = store
        self._workers = workers

    def job(self, job: Job, *, items: Iterable[int] | None = None) -> job_pb2.Job:
        """Tell a job as it is now, with the items of these indexes, or with all."""
        spec = JobSpec.FromString(job.spec.body)
        message = job_pb2.Job(
            id=job.id,
            state=_state(job.state),
            model=spec.model,
            options=spec.options,
            annotate=spec.annotate,
            labels=spec.labels,
            priority=spec.priority,
            create_time=timestamp(job.accepted_ns),
            progress=_progress(job),
            attempt=max(item.attempt for item in job.items),
            last_sequence=job.sequence,
            retry_of=spec.retry_of,
            principal=job.spec.principal,
        )
        if job.started_ns is not None:
            message.start_time.CopyFrom(timestamp(job.started_ns))
        if job.ended_ns is not None:
            message.end_time.CopyFrom(timestamp(job.ended_ns))
            message.expire_time.CopyFrom(timestamp(job.ended_ns + job.spec.ttl_ns))
        if job.failure is not None:
            message.error.CopyFrom(status_of_failure(job.failure))
        if job.notice is not None:
            message.webhook.CopyFrom(_webhook(job, job.notice))
        if job.state is State.QUEUED:
            message.queue.CopyFrom(self.queue(job))
        for index in range(len(job.items)) if items is None else items:
            message.items.append(_item(index, job.items[index], spec))
        return message

    def queue(self, job: Job) -> job_pb2.QueueStatus:
        """Tell where a queued job stands."""
        position = self._store.backlog.position(job)
        alive = self._workers.of(job.spec.model)
        live = len(alive)
        message = job_pb2.QueueStatus(approximate_position=position, live_workers=live)
        pace_ns = self._store.backlog.pace_ns(job.spec.model)
        if not live:
            message.waiting_reason = "no worker with this model is alive"
        elif not any(worker.fetches for worker in alive) and _waits_to_be_fetched(job):
            message.waiting_reason = "no worker with this model that fetches addresses is alive"
        elif any(item.attempt for item in job.items):
            message.waiting_reason = "waits for its next attempt"
        else:
            message.waiting_reason = f"about {position} items are before it" if position else "it is next"
        if live and pace_ns is not None:
            message.estimated_start_time.CopyFrom(timestamp(time.time_ns() + int(pace_ns * position)))
        return message


def event(job: Job, sequence: int) -> event_pb2.Event:
    """Tell one event of a job's history, by its sequence from 1."""
    entry = job.history[sequence - 1]
    message = event_pb2.Event(sequence=sequence, time=timestamp(entry.time_ns))
    match entry:
        case JobAccepted(items=items):
            message.job_accepted.items_total = items
        case ItemStarted(item=index, attempt=attempt, worker=worker):
            message.item_started.MergeFrom(event_pb2.ItemStarted(item=index, attempt=attempt, worker=worker))
        case FramesDetected(item=index, attempt=attempt, frames=frames, video=video):
            message.frames_detected.MergeFromString(frames)
            message.frames_detected.MergeFrom(event_pb2.FramesDetected(item=index, attempt=attempt, video=_video(video)))
        case ItemRetrying(item=index, attempt=attempt, failure=failure, next_attempt_ns=next_ns):
            message.item_retrying.MergeFrom(
                event_pb2.ItemRetrying(
                    item=index,
                    attempt=attempt,
                    error=status_of_failure(failure),
                    next_attempt_time=None if next_ns is None else timestamp(next_ns),
                )
            )
        case ItemFinished(item=index):
            message.item_finished.item.MergeFrom(_item(index, job.items[index], JobSpec.FromString(job.spec.body)))
        case JobFinished():
            message.job_finished.MergeFrom(
                event_pb2.JobFinished(state=_state(job.state), progress=_progress(job), error=_error(job))
            )
    return message


def _error(job: Job) -> Status | None:
    return status_of_failure(job.failure) if job.failure else None


def _item(index: int, item: Item, spec: JobSpec) -> job_pb2.Item:
    message = job_pb2.Item(
        index=index, name=spec.inputs[index].name, state=_state(item.state), attempt=item.attempt, worker=item.worker
    )
    if item.video:
        message.video.MergeFrom(_video(item.video))
    if item.state is State.SUCCEEDED:
        if not item.video:
            message.result.MergeFromString(item.result)
        message.timings.MergeFromString(item.timings)
    if item.failure is not None:
        message.error.CopyFrom(status_of_failure(item.failure))
    return message


def _video(video: bytes) -> job_pb2.VideoResult:
    return job_pb2.VideoResult.FromString(video)


def _webhook(job: Job, notice: Notice) -> job_pb2.Webhook:
    message = job_pb2.Webhook(
        state=job_pb2.WebhookState.ValueType(notice.state.value), attempts=notice.attempts, last_error=notice.error
    )
    if job.owes_notice and notice.due_ns:
        message.next_attempt_time.CopyFrom(timestamp(notice.due_ns))
    return message


def _waits_to_be_fetched(job: Job) -> bool:
    inputs = JobSpec.FromString(job.spec.body).inputs
    return all(source.HasField("remote") for source, item in zip(inputs, job.items, strict=True) if item.state is State.QUEUED)


def _progress(job: Job) -> job_pb2.Progress:
    videos = [_video(item.video) for item in job.items if item.video]
    return job_pb2.Progress(
        items_done=job.count(State.SUCCEEDED),
        items_failed=job.count(State.FAILED, State.CANCELLED, State.EXPIRED),
        items_total=len(job.items),
        frames_done=sum(video.frames_done for video in videos),
        frames_total=sum(video.frames_total for video in videos),
    )


def _state(state: State) -> job_pb2.State.ValueType:
    return job_pb2.State.ValueType(state.value)
