"""Submit, Retry and each job of RetryMany: a request becomes a job that survives whatever comes.

The order of the steps is the promise: pictures, then the Accepted event, then the tasks, then the Enqueued event, then the
answer. A gateway that dies between Accepted and Enqueued leaves a job that any gateway finishes publishing (see
`gateway.janitor`); one that dies before leaves nothing that a client could ever see.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import Any

from dispatch import trace
from dispatch.codec import spec_of, timestamp
from dispatch.errors import BlobNotFound, BlobUnavailable, QueueFull
from dispatch.events import Accepted, Enqueued, Refused
from dispatch.journal import Journal, new_event_id
from dispatch.lifecycle import Job, State
from dispatch.ports import BlobStore, Lane, Queue, TaskQueue
from dispatch.shares import share_of
from dispatch.task import kind_of
from dispatch.uri import read_https_uri, read_uri
from dispatch.v1.event_pb2 import JobSpec
from dispatch.v1.remote_pb2 import Remote
from dispatch.v1.task_pb2 import Task
from egress.allowed import NOTHING, Allowed
from egress.errors import Forbidden
from gateway.errors import (
    Exhausted,
    InputMissing,
    JobNotFinished,
    JobRetried,
    JobSucceeded,
    QueueIsFull,
    RequestIdReused,
    Unavailable,
    UploadNotFound,
    UriForbidden,
    WebhookSecretMissing,
)
from gateway.identity.principal import Principal
from gateway.ids import job_id
from gateway.ledger import Claim, Ledger
from gateway.limits import Defaults, Limits
from gateway.order import Folder, Order, Picture, annotated_blob, check_request, read_order, reserving, stored_inputs
from gateway.store import Store
from gateway.uploads import Uploads
from gateway.webhook_secrets import NO_SECRETS, WebhookSecrets
from myeye.v1.detection_service_pb2 import SubmitRequest

log = logging.getLogger(__name__)

SETTLE_S = 10.0
STORING_LIMIT_S = 3600.0
"""How long after its first picture a job is still accepted: later, its pictures may be taken for orphans."""


class Submitter:
    """Makes jobs. `under_way` holds the ids of those that are being made here; one gateway tells its `on_accepted` of each."""

    def __init__(
        self,
        store: Store,
        tasks: TaskQueue,
        blobs: BlobStore,
        uploads: Uploads,
        ledger: Ledger,
        *,
        limits: Limits,
        defaults: Defaults,
        fetch_from: Allowed = NOTHING,
        webhooks_to: Allowed = NOTHING,
        webhook_secrets: WebhookSecrets = NO_SECRETS,
        storing_limit_s: float = STORING_LIMIT_S,
        on_accepted: Callable[[Job], None] = lambda _: None,
    ) -> None:
        self.under_way: set[str] = set()
        self._store = store
        self._journal: Journal = store.journal
        self._tasks = tasks
        self._blobs = blobs
        self._uploads = uploads
        self._ledger = ledger
        self._limits = limits
        self._defaults = defaults
        self._fetch_from = fetch_from
        self._webhooks_to = webhooks_to
        self._webhook_secrets = webhook_secrets
        self._storing_limit_s = storing_limit_s
        self._on_accepted = on_accepted
        self._leftovers: set[asyncio.Task[None]] = set()

    async def submit(self, principal: Principal, request: SubmitRequest) -> tuple[Job, bool]:
        """Make the job that is asked for, or find the one that an earlier call made: then the second value is true.

        Raises:
            InvalidRequest, ModelNotFound, UriForbidden, WebhookSecretMissing, UploadNotFound, UploadIncomplete: nothing was done.
            RequestIdReused: its request_id made another job.
            QueueIsFull, Exhausted: nothing was kept.
            BrokerUnavailable, BlobUnavailable, Unavailable: the job may or may not come to be; safe to repeat with a request_id.
        """
        check_request(request, limits=self._limits, defaults=self._defaults, categories=self._categories())
        self._check_uris(request)
        self._check_webhook(principal, request.webhook)
        uploaded = await self._uploads.wholes(principal.name, [source.blob for source in request.inputs if source.blob])
        order = read_order(request, principal=principal.name, limits=self._limits, defaults=self._defaults, uploaded=uploaded)
        return await self._make(order)

    async def retry(self, principal: Principal, old_id: str, request_id: str) -> tuple[Job, bool]:
        """Make a job of what did not succeed in another, for the principal of that.

        Raises:
            JobNotFound, JobPurged, JobNotFinished, JobSucceeded, InputMissing: there is nothing that could be done again.
            Otherwise as `submit`.
        """
        old = await self._store.get(principal, old_id, lambda job: job.state.terminal)
        _check_repeatable(old)
        return await self._make(_order_again(old, job_id(principal.name, "Retry", request_id), request_id))

    async def retry_once(self, principal: Principal, old_id: str, request_id: str) -> tuple[Job, bool]:
        """Retry as `retry` does, but a job that has been retried only if this request_id did it: then the second value is true.

        Raises:
            JobRetried: another call has retried it.
            Otherwise as `retry`.
        """
        old = self._store.find(principal, old_id)
        _check_repeatable(old)
        if self._store.retries_of(old_id) and not self.has_retried(old, request_id):
            raise JobRetried(old_id, self._store.newest_retry(old_id))
        order = _order_again(old, _only_retry(old), request_id)
        order.spec.retry_request_id = request_id
        job, replayed = await self._make(order)
        if replayed and not (request_id and job.spec.retry_request_id == request_id):
            raise JobRetried(old_id, self._store.newest_retry(old_id))
        return job, replayed

    def has_retried(self, old: Job, request_id: str) -> bool:
        """Tell whether `retry_once` with this request_id has retried a job."""
        job = self._store.fold.jobs.get(_only_retry(old))
        return job is not None and bool(request_id) and job.spec.retry_request_id == request_id

    def _check_uris(self, request: SubmitRequest) -> None:
        for index, source in enumerate(request.inputs):
            if source.uri:
                try:
                    self._fetch_from.check(read_uri(source.uri))
                except Forbidden as error:
                    raise UriForbidden(f"inputs[{index}].uri", str(error)) from error

    def _check_webhook(self, principal: Principal, webhook: str) -> None:
        if webhook:
            try:
                self._webhooks_to.check_host(read_https_uri(webhook))
            except Forbidden as error:
                raise UriForbidden("webhook", str(error)) from error
            if not self._webhook_secrets.of(principal.name):
                raise WebhookSecretMissing

    def _categories(self) -> Mapping[str, Collection[str]]:
        known: dict[str, Collection[str]] = {self._defaults.model: ()}
        return known | {name: offer.categories for name, offer in self._store.models.items()}

    async def _make(self, order: Order) -> tuple[Job, bool]:
        known = self._store.fold.jobs.get(order.job_id)
        if known is not None:
            return await self._replay(known, order)
        if self._ledger.limits_bytes(order.spec.principal):
            order = reserving(order, self._limits)
        size = sum(picture.size for picture in order.pictures)
        async with self._ledger.claim(order.spec.principal, order.job_id, items=len(order.pictures), size=size) as claim:
            return await self._make_new(order, claim)

    async def _make_new(self, order: Order, claim: Claim) -> tuple[Job, bool]:
        folder = Folder(order.job_id, self._journal.writer, secrets.token_hex(6)).prefix
        await self._store_pictures(order, folder)
        self.under_way.add(order.job_id)
        try:
            change = await self._journal.commit(_accepted(order, folder))
            if change.after is None:
                raise Unavailable("BROKER_UNAVAILABLE", "the job was refused while it was being accepted")
            if change.applied:
                if claim.excess:
                    await self._refuse(order.job_id, claim.excess)
                return await self.enqueue(change.after), False
        except (QueueIsFull, Exhausted):
            await self._discard(folder)
            raise
        finally:
            self.under_way.discard(order.job_id)
        await self._discard(folder)  # another call with this request_id came first, with its own copies
        return await self._replay(change.after, order)

    async def _replay(self, job: Job, order: Order) -> tuple[Job, bool]:
        """Answer with the job that an earlier call made, once that call can no longer be refused."""
        if job.digest != order.digest:
            raise RequestIdReused(order.request_id, job.id)
        try:
            async with asyncio.timeout(SETTLE_S):
                while not job.visible:
                    await asyncio.shield(self._store.news(job.id))
                    now = self._store.fold.jobs.get(job.id)
                    if now is None:
                        raise Unavailable("BROKER_UNAVAILABLE", "the earlier call with this request_id was refused")
                    job = now
        except TimeoutError as error:
            raise Unavailable("BROKER_UNAVAILABLE", "the earlier call with this request_id is still under way") from error
        return job, True

    async def _store_pictures(self, order: Order, folder: str) -> None:
        begun_s = time.monotonic()
        stored = zip(order.pictures, stored_inputs(order.pictures, folder), strict=True)
        storing = asyncio.gather(
            *(self._store_picture(picture, target.blob) for picture, target in stored), return_exceptions=True
        )
        try:
            outcomes = await asyncio.shield(storing)
        except asyncio.CancelledError:  # the client has left
            self._keep(self._discard_after(storing, folder))
            raise
        failure = next((outcome for outcome in outcomes if outcome is not None), None)
        if failure is None and time.monotonic() - begun_s > self._storing_limit_s:
            failure = Unavailable("BLOBS_UNAVAILABLE", "it took too long to store the pictures")
        if failure is not None:
            await self._discard(folder)
            raise failure

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._leftovers.add(task)
        task.add_done_callback(self._leftovers.discard)

    async def _discard_after(self, storing: Awaitable[object], folder: str) -> None:
        await storing
        await self._discard(folder)

    async def settle(self) -> None:
        """Return when nothing is left of calls that were ended: for the end, when there are no calls."""
        await asyncio.gather(*self._leftovers)

    async def _store_picture(self, picture: Picture, blob: str) -> None:
        if picture.remote and not picture.blob:
            return  # for a worker to fetch
        if not picture.blob:
            await self._blobs.put(blob, picture.content)
            return
        try:
            await self._blobs.copy(picture.blob, blob)
        except BlobNotFound as error:
            if picture.remote:
                return  # it never was fetched, or is no more: it will be
            raise UploadNotFound(picture.upload_id) if picture.upload_id else InputMissing(picture.name) from error

    async def _discard(self, folder: str) -> None:
        """Leave no pictures behind of a job that is not."""
        try:
            await self._blobs.delete_prefix(folder)
        except BlobUnavailable as error:
            log.warning("pictures below %s are left behind: %s", folder, error)

    async def _refuse(self, job_id: str, excess: Exhausted) -> None:
        """Take back an accepted job, unless it was so long ago that another gateway has seen to it.

        Raises:
            Exhausted: it is no more.
        """
        refused = Refused(id=new_event_id(), job_id=job_id, time_ns=time.time_ns(), reason=excess.reason)
        if (await self._journal.commit(refused)).applied:
            raise self._ledger.refused(excess)

    async def enqueue(self, job: Job) -> Job:
        """Publish an accepted job's tasks and say so in the log; give the job as it is then.

        Raises:
            QueueIsFull: the job is no more.
            BrokerUnavailable, Unavailable: some tasks may be published; the job is still to be enqueued.
        """
        ahead = self._store.backlog.ahead(job)
        published = await asyncio.gather(
            *(self._tasks.publish(_queue(job, task, ahead), task.SerializeToString()) for task in tasks_of(job)),
            return_exceptions=True,
        )
        failures = [outcome for outcome in published if isinstance(outcome, BaseException)]
        if any(isinstance(failure, QueueFull) for failure in failures):
            refused = Refused(id=new_event_id(), job_id=job.id, time_ns=time.time_ns(), reason="QUEUE_FULL")
            if (await self._journal.commit(refused)).applied:
                raise QueueIsFull(job.spec.model, Lane(job.spec.priority).name)
        elif failures:
            raise failures[0]
        change = await self._journal.commit(Enqueued(id=new_event_id(), job_id=job.id, time_ns=time.time_ns()))
        if change.after is None:
            raise Unavailable("BROKER_UNAVAILABLE", "the job was removed while it was being enqueued")
        if change.applied:
            self._on_accepted(change.after)
        return change.after


def _queue(job: Job, task: Task, ahead: int) -> Queue:
    """Name the queue for a task of a job before which its principal has so many items waiting."""
    kind = kind_of(task)
    return Queue(job.spec.model, Lane(job.spec.priority), kind, share_of(kind, ahead + task.item))


def tasks_of(job: Job) -> list[Task]:
    """Make the tasks of a job's first attempts, each with an identifier of its own."""
    spec = JobSpec.FromString(job.spec.body)
    deadline_ns = None if job.spec.start_deadline_ns is None else job.accepted_ns + job.spec.start_deadline_ns
    return [
        Task(
            id=secrets.token_hex(8),
            job_id=job.id,
            item=index,
            attempt=1,
            input_blob=source.blob,
            annotated_blob=annotated_blob(source.blob) if spec.annotate else "",
            model=spec.model,
            options=spec.options,
            create_time=timestamp(job.accepted_ns),
            start_deadline_time=None if deadline_ns is None else timestamp(deadline_ns),
            execution_timeout=spec.video_execution_timeout if source.HasField("video") else spec.execution_timeout,
            traceparent=spec.traceparent,
            accepted_id=job.accepted_id,
            max_attempts=spec.max_attempts,
            input_size_bytes=0 if source.HasField("remote") else source.size_bytes,
            video=source.video if source.HasField("video") else None,
            remote=source.remote if source.HasField("remote") else None,
            video_execution_timeout=spec.video_execution_timeout if source.HasField("remote") else None,
        )
        for index, source in enumerate(spec.inputs)
    ]


def _accepted(order: Order, folder: str) -> Accepted:
    spec = JobSpec()
    spec.CopyFrom(order.spec)
    spec.traceparent = trace.current()
    spec.inputs.extend(stored_inputs(order.pictures, folder))
    return Accepted(
        id=new_event_id(),
        job_id=order.job_id,
        time_ns=time.time_ns(),
        spec=spec_of(spec.SerializeToString(deterministic=True)),
        digest=order.digest,
    )


def _check_repeatable(job: Job) -> None:
    if not job.state.terminal:
        raise JobNotFinished(job.state)
    if job.state is State.SUCCEEDED:
        raise JobSucceeded


def _only_retry(old: Job) -> str:
    """Give the id of the one job that `retry_once` makes of another, whoever asks for it."""
    return job_id(old.spec.principal, "RetryMany", old.id)


def _unreserved(remote: Remote) -> Remote:
    again = Remote()
    again.CopyFrom(remote)
    again.max_bytes = 0
    return again


def _order_again(old: Job, new_id: str, request_id: str) -> Order:
    """Ask again for what did not succeed, as it was asked for."""
    spec = JobSpec.FromString(old.spec.body)
    pictures = tuple(
        Picture(
            source.name,
            0 if source.HasField("remote") else source.size_bytes,
            source.sha256,
            blob=source.blob,
            video=source.video if source.HasField("video") else None,
            remote=_unreserved(source.remote) if source.HasField("remote") else None,
        )
        for source, item in zip(spec.inputs, old.items, strict=True)
        if item.state is not State.SUCCEEDED
    )
    del spec.inputs[:]
    spec.retry_of = old.id
    spec.retry_request_id = ""
    return Order(
        job_id=new_id,
        request_id=request_id,
        digest=hashlib.sha256(f"retry of {old.id}".encode()).digest(),
        pictures=pictures,
        spec=spec,
    )
