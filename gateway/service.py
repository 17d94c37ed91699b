"""DetectionService: messages to values, one use case each, and values to messages."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from dispatch.codec import duration, nanoseconds, timestamp
from gateway.cancel import Canceller
from gateway.errors import InvalidRequest, JobNotFinished, Violation
from gateway.holdings import Held
from gateway.identity.caller import Context, principal_of
from gateway.image import submit_image
from gateway.janitor import Janitor
from gateway.ledger import Ledger
from gateway.limits import MEDIA_TYPES, VIDEO_MEDIA_TYPES, Defaults, Limits
from gateway.listing import page
from gateway.messages import Teller
from gateway.order import out_of_range
from gateway.quota import Quota
from gateway.quotas import Quotas
from gateway.retry_many import Outcome, Retries
from gateway.session import Sessions
from gateway.status import status_of_refusal
from gateway.store import Store
from gateway.submit import Submitter
from gateway.traffic import Traffic
from gateway.watch import Watches
from gateway.watch_many import JointWatches
from gateway.workers import Workers
from myeye.v1 import capabilities_pb2, detection_service_pb2
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.detection_service_pb2_grpc import DetectionServiceServicer

NAME: str = detection_service_pb2.DESCRIPTOR.services_by_name["DetectionService"].full_name
VERSION = "0.1.0"
RETRY_AFTER_S = 1.0
"""What a job that did not fit into its queue is told to wait."""


class DetectionService(DetectionServiceServicer):
    """The public face."""

    def __init__(
        self,
        *,
        store: Store,
        submitter: Submitter,
        retries: Retries,
        watches: Watches,
        joint_watches: JointWatches,
        sessions: Sessions,
        canceller: Canceller,
        teller: Teller,
        workers: Workers,
        janitor: Janitor,
        quotas: Quotas,
        ledger: Ledger,
        traffic: Traffic,
        limits: Limits,
        defaults: Defaults,
        tombstone_s: float,
        uri_sources: Sequence[str],
        webhook_hosts: Sequence[str],
    ) -> None:
        self._store = store
        self._submitter = submitter
        self._retries = retries
        self._watches = watches
        self._joint_watches = joint_watches
        self._sessions = sessions
        self._canceller = canceller
        self._teller = teller
        self._workers = workers
        self._janitor = janitor
        self._quotas = quotas
        self._ledger = ledger
        self._traffic = traffic
        self._limits = limits
        self._defaults = defaults
        self._tombstone_s = tombstone_s
        self._uri_sources = uri_sources
        self._webhook_hosts = webhook_hosts

    async def Submit(self, request: pb.SubmitRequest, context: Context) -> pb.SubmitResponse:
        job, replayed = await self._submitter.submit(principal_of(context), request)
        return pb.SubmitResponse(job=self._teller.job(job), replayed=replayed)

    async def SubmitImage(self, request: pb.SubmitImageRequest, context: Context) -> pb.SubmitImageResponse:
        job, replayed = await submit_image(self._submitter, principal_of(context), request)
        return pb.SubmitImageResponse(job=self._teller.job(job), replayed=replayed)

    def Watch(  # type: ignore[override]  # serialized messages are passed through, see gateway.server
        self, request: pb.WatchRequest, context: Context
    ) -> AsyncIterator[bytes]:
        after = request.after_sequence if request.HasField("after_sequence") else None
        principal = principal_of(context)
        return self._watches.watch(principal, request.job_id, after, self._traffic.watching(principal.name))

    async def WatchMany(  # type: ignore[override]  # as Watch
        self, request: pb.WatchManyRequest, context: Context
    ) -> AsyncIterator[bytes]:
        principal = principal_of(context)
        with self._traffic.watching(principal.name):
            async with aclosing(self._joint_watches.watch(principal, request)) as messages:
                async for message in messages:
                    yield message

    async def Session(  # type: ignore[override]  # as Watch
        self, request_iterator: AsyncIterator[pb.SessionRequest], context: Context
    ) -> AsyncIterator[bytes]:
        async with aclosing(self._sessions.run(principal_of(context), request_iterator)) as messages:
            async for message in messages:
                yield message

    async def Wait(self, request: pb.WaitRequest, context: Context) -> pb.WaitResponse:
        timeout_ns = self._limits.max_wait_ns
        if request.HasField("timeout"):
            if violations := tuple(out_of_range("timeout", request.timeout, self._limits.max_wait_ns)):
                raise InvalidRequest(*violations)
            timeout_ns = nanoseconds(request.timeout)
        principal = principal_of(context)
        with self._traffic.watching(principal.name):
            job = await self._watches.wait(principal, request.job_id, timeout_ns / 1e9)
        return pb.WaitResponse(job=self._teller.job(job))

    async def Get(self, request: pb.GetRequest, context: Context) -> pb.GetResponse:
        return pb.GetResponse(job=self._teller.job(await self._store.get(principal_of(context), request.job_id)))

    async def List(self, request: pb.ListRequest, context: Context) -> pb.ListResponse:
        listed, token = page(self._store, principal_of(context), request, self._limits, self._defaults)
        return pb.ListResponse(jobs=[self._teller.job(each.job, items=each.items) for each in listed], next_page_token=token)

    async def Cancel(self, request: pb.CancelRequest, context: Context) -> pb.CancelResponse:
        job = await self._canceller.cancel(principal_of(context), request)
        return pb.CancelResponse(job=self._teller.job(job))

    async def Retry(self, request: pb.RetryRequest, context: Context) -> pb.RetryResponse:
        if len(request.request_id) > self._limits.max_request_id_length:
            limit = f"must have at most {self._limits.max_request_id_length} characters, not {len(request.request_id)}"
            raise InvalidRequest(Violation("request_id", limit))
        job, replayed = await self._submitter.retry(principal_of(context), request.job_id, request.request_id)
        return pb.RetryResponse(job=self._teller.job(job), replayed=replayed)

    async def RetryMany(self, request: pb.RetryManyRequest, context: Context) -> pb.RetryManyResponse:
        outcomes, token = await self._retries.retry_many(principal_of(context), request)
        return pb.RetryManyResponse(outcomes=map(_outcome, outcomes), next_page_token=token)

    async def Delete(self, request: pb.DeleteRequest, context: Context) -> pb.DeleteResponse:
        job = await self._store.get(principal_of(context), request.job_id, lambda job: job.state.terminal)
        if not job.state.terminal:
            raise JobNotFinished(job.state)
        await self._janitor.purge(job)
        return pb.DeleteResponse()

    async def GetCapabilities(self, request: pb.GetCapabilitiesRequest, context: Context) -> pb.GetCapabilitiesResponse:
        principal = principal_of(context)
        names = sorted({self._defaults.model, *self._store.models})
        return pb.GetCapabilitiesResponse(
            models=[self._model(name) for name in names],
            limits=_limits(self._limits),
            quota=_quota(self._quotas.of(principal.name)),
            holdings=_holdings(self._ledger.held(principal.name)),
            defaults=capabilities_pb2.Defaults(
                max_attempts=self._defaults.max_attempts,
                execution_timeout=duration(self._defaults.execution_timeout_ns),
                ttl=duration(self._defaults.ttl_ns),
                max_fps=self._defaults.max_fps,
                video_execution_timeout=duration(self._defaults.video_execution_timeout_ns),
                upload_ttl=duration(self._defaults.upload_ttl_ns),
            ),
            media_types=MEDIA_TYPES,
            video_media_types=VIDEO_MEDIA_TYPES,
            uri_sources=self._uri_sources,
            webhook_hosts=self._webhook_hosts,
            version=VERSION,
            server_time=timestamp(time.time_ns()),
            tombstone_retention=duration(int(self._tombstone_s * 1e9)),
        )

    def _model(self, name: str) -> capabilities_pb2.ModelCapabilities:
        present = self._workers.of(name)
        message = capabilities_pb2.ModelCapabilities(
            name=name,
            live_workers=len(present),
            detectors=sum(presence.detectors for presence in present),
            is_default=name == self._defaults.model,
        )
        if offer := self._store.models.get(name):
            message.categories.extend(offer.categories)
            message.default_score_threshold = offer.default_score_threshold
            message.sha256 = offer.sha256
        return message


def _outcome(outcome: Outcome) -> pb.RetryOutcome:
    message = pb.RetryOutcome(job_id=outcome.job_id, replayed=outcome.replayed)
    if outcome.new is not None:
        message.new_job_id = outcome.new.id
    if outcome.refusal is not None:
        message.error.CopyFrom(status_of_refusal(outcome.refusal, retry_after_s=RETRY_AFTER_S))
    return message


def _quota(quota: Quota) -> capabilities_pb2.Quota:
    return capabilities_pb2.Quota(
        max_jobs=quota.jobs,
        max_items=quota.items,
        max_stored_bytes=quota.bytes,
        max_calls_per_second=quota.rate,
        max_burst=quota.calls_at_once if quota.rate else 0,
        max_watches=quota.watches,
        max_uploads=quota.uploads,
    )


def _holdings(held: Held) -> capabilities_pb2.Holdings:
    return capabilities_pb2.Holdings(jobs=held.jobs, items=held.items, stored_bytes=held.bytes)


def _limits(limits: Limits) -> capabilities_pb2.Limits:
    return capabilities_pb2.Limits(
        max_message_bytes=limits.max_message_bytes,
        max_items_per_job=limits.max_items_per_job,
        max_pixels=limits.max_pixels,
        max_labels=limits.max_labels,
        max_label_key_length=limits.max_label_key_length,
        max_label_value_length=limits.max_label_value_length,
        max_name_length=limits.max_name_length,
        max_request_id_length=limits.max_request_id_length,
        max_results=limits.max_results,
        max_categories=limits.max_categories,
        max_category_length=limits.max_category_length,
        max_attempts=limits.max_attempts,
        max_start_deadline=duration(limits.max_start_deadline_ns),
        max_execution_timeout=duration(limits.max_execution_timeout_ns),
        max_ttl=duration(limits.max_ttl_ns),
        max_wait=duration(limits.max_wait_ns),
        max_page_size=limits.max_page_size,
        max_watch_targets=limits.max_watch_targets,
        max_session_calls=limits.max_session_calls,
        max_session_jobs=limits.max_session_jobs,
        max_session_updates=limits.max_session_updates,
        max_retries=limits.max_retries,
        max_reasons=limits.max_reasons,
        max_listed_items=limits.max_listed_items,
        max_video_frames=limits.max_video_frames,
        max_fps=limits.max_fps,
        max_upload_bytes=limits.max_upload_bytes,
        max_picture_bytes=limits.max_picture_bytes,
        max_watches=limits.max_watches,
        max_uploads=limits.max_uploads,
        max_uri_length=limits.max_uri_length,
        max_webhook_attempts=limits.max_webhook_attempts,
        webhook_timeout=duration(limits.webhook_timeout_ns),
    )
