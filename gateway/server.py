"""The composition of a gateway: every concrete class is named here, and the order of its start and stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from os import getpid
from socket import gethostname
from typing import Any
from urllib.parse import urlsplit

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from dispatch.blobs import open_blobs
from dispatch.connect import connect
from dispatch.errors import ConfigurationError
from dispatch.health import tell_health
from dispatch.lifecycle import Job
from dispatch.options import BrokerOptions
from dispatch.ports import BlobStore, Broker
from egress.exchange import Exchange
from egress.resolver import SystemResolver
from gateway.blob_service import NAME as BLOB_SERVICE
from gateway.blob_service import BlobService
from gateway.cancel import Canceller
from gateway.config import Config
from gateway.download import Downloads
from gateway.gossip import gossip
from gateway.health import Health
from gateway.hearing import hear
from gateway.identity.guard import Guard
from gateway.interceptor import Doorkeeper
from gateway.janitor import Janitor
from gateway.ledger import Ledger
from gateway.limits import Defaults, Limits
from gateway.messages import Teller
from gateway.metrics import Metrics
from gateway.notifier import Notifier
from gateway.observer import Observer
from gateway.orphans import Orphans
from gateway.reflection import add_reflection
from gateway.retry_many import Retries
from gateway.service import NAME, DetectionService
from gateway.session import Sessions
from gateway.standings import Standings
from gateway.store import Store
from gateway.submit import Submitter
from gateway.tls import TlsOptions, server_credentials
from gateway.traffic import Traffic
from gateway.upload_expiry import expire_uploads
from gateway.upload_tally import UploadTally
from gateway.uploads import Uploads
from gateway.watch import Watches
from gateway.watch_many import JointWatches
from gateway.webhook_secrets import WebhookSecrets
from gateway.workers import Workers
from myeye.v1.blob_service_pb2_grpc import add_BlobServiceServicer_to_server
from myeye.v1.detection_service_pb2 import SessionRequest, WatchManyRequest, WatchRequest, WatchResponse
from myeye.v1.detection_service_pb2_grpc import add_DetectionServiceServicer_to_server
from telemetry.endpoint import serve_metrics
from telemetry.metered_blobs import MeteredBlobs
from telemetry.metered_broker import MeteredBroker
from telemetry.registry import new_registry
from telemetry.tracing import SilentTracer, Tracer, open_tracer

log = logging.getLogger(__name__)

TICK_S = 1.0
HEALTH: str = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name


def _channel_options(limits: Limits) -> list[tuple[str, Any]]:
    return [
        ("grpc.max_receive_message_length", limits.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),  # a second gateway on the port must fail, not share it by chance
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.http2.ping_timeout_ms", 5_000),  # keepalive_timeout_ms alone lets a dead peer linger for a minute
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.server_handshake_timeout_ms", 10_000),  # who connects and says nothing holds a socket no longer
        ("grpc.server.max_pending_requests", 100_000),  # a herd of watchers is not to be cancelled at the door
        ("grpc.server.max_pending_requests_hard_limit", 200_000),
    ]


@asynccontextmanager
async def serve(config: Config, limits: Limits | None = None) -> AsyncIterator[int]:
    """Run a gateway; the value is the port that it listens on. Leaving the context drains it.

    Raises:
        ConfigurationError: the broker, the blob store or the port cannot be used as configured.
    """
    limits = limits or Limits(
        max_pixels=config.max_pixels,
        max_upload_bytes=config.max_upload_bytes,
        max_watches=config.fair_use.max_watches,
        max_uploads=config.fair_use.max_uploads,
        webhook_timeout_ns=int(config.webhooks.timeout_s * 1e9),
    )
    defaults = Defaults(model=config.model, upload_ttl_ns=int(config.upload_ttl_s * 1e9))
    registry = new_registry("gateway")
    tracer = open_tracer("gateway", f"{gethostname()}-{getpid()}") if config.tracing else SilentTracer()
    blobs = open_blobs(config.blobs)
    await blobs.check()
    broker = await connect(config.broker, BrokerOptions(name=config.installation, max_queue_length=config.max_queue_length))
    try:
        metered = MeteredBroker(broker, registry), MeteredBlobs(blobs, registry)
        async with (
            serve_metrics(registry, config.metrics),
            _serve_with(config, limits, defaults, *metered, registry, tracer) as port,
        ):
            yield port
    finally:
        await broker.close()
        await tracer.close()
        log.info("gateway stopped")


@asynccontextmanager
async def _serve_with(
    config: Config,
    limits: Limits,
    defaults: Defaults,
    broker: Broker,
    blobs: BlobStore,
    registry: CollectorRegistry,
    tracer: Tracer,
) -> AsyncIterator[int]:
    store = Store(broker.log)
    workers = Workers()
    metrics = Metrics(registry, store, workers)
    teller = Teller(store, workers)
    standings = Standings(store, teller, workers)
    watches = Watches(store, teller, heartbeat_s=config.heartbeat_s)
    quotas = config.fair_use.quotas()
    traffic = Traffic(quotas, most_watches=limits.max_watches, most_uploads=limits.max_uploads, on_refused=metrics.refused)
    ledger = Ledger(store, quotas, UploadTally(blobs), metrics.refused)
    uploads = Uploads(blobs, limits, ledger.upload)
    webhook_secrets = WebhookSecrets(config.webhooks.secrets)
    resolver = SystemResolver()
    notifier = Notifier(
        store,
        teller,
        Exchange(allowed=config.egress.webhooks_to, networks=config.egress.networks, resolver=resolver, tls=config.egress.tls()),
        webhook_secrets,
        most_attempts=limits.max_webhook_attempts,
        timeout_s=limits.webhook_timeout_ns / 1e9,
        backoff=config.webhooks.backoff,
        on_outcome=metrics.webhook,
    )

    def accepted(job: Job) -> None:
        metrics.accepted(job)
        notifier.accepted(job)

    submitter = Submitter(
        store,
        broker.tasks,
        blobs,
        uploads,
        ledger,
        limits=limits,
        defaults=defaults,
        fetch_from=config.egress.fetch_from,
        webhooks_to=config.egress.webhooks_to,
        webhook_secrets=webhook_secrets,
        on_accepted=accepted,
    )
    canceller = Canceller(store, limits)
    janitor = Janitor(store, submitter, blobs, tombstone_s=config.tombstone_s, on_dead_letter=metrics.dead_letter)
    health = Health(broker, store, (NAME, BLOB_SERVICE))
    service = DetectionService(
        store=store,
        submitter=submitter,
        retries=Retries(store, submitter, limits),
        watches=watches,
        joint_watches=JointWatches(store, watches, limits),
        sessions=Sessions(
            store=store, watches=watches, submitter=submitter, canceller=canceller, teller=teller, traffic=traffic, limits=limits
        ),
        canceller=canceller,
        teller=teller,
        workers=workers,
        janitor=janitor,
        quotas=quotas,
        ledger=ledger,
        traffic=traffic,
        limits=limits,
        defaults=defaults,
        tombstone_s=config.tombstone_s,
        uri_sources=config.egress.fetch_from.told,
        webhook_hosts=config.egress.webhooks_to.told,
    )
    guard = Guard()
    authenticator = config.identity.open()
    ours = (f"/{NAME}/", f"/{BLOB_SERVICE}/")
    doorkeeper = Doorkeeper(ours, health.closed, authenticator, guard, traffic)
    observer = Observer(ours, metrics, tracer, store.traceparent_of)
    server = grpc.aio.server(interceptors=[observer, doorkeeper], options=_channel_options(limits))
    add_DetectionServiceServicer_to_server(service, server)
    _pass_bytes_through(service, server)
    add_BlobServiceServicer_to_server(
        BlobService(uploads, Downloads(store, blobs), traffic, upload_ttl_ns=defaults.upload_ttl_ns), server
    )
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    if config.reflection:
        add_reflection((NAME, BLOB_SERVICE, HEALTH), server)
    port = _listen(server, config.listen, config.tls)
    await health.start()
    await server.start()
    address = f"{config.listen.rpartition(':')[0]}:{port}"
    log.info("gateway listens on %s, broker %s", address, _without_password(config.broker))

    async def tick() -> None:
        while True:
            await health.check()
            workers.forget_lost()
            quotas.refresh()
            standings.look()
            webhook_secrets.refresh()
            if store.caught_up:
                await janitor.sweep()
            await asyncio.sleep(TICK_S)

    async with tell_health(config.health, lambda: health.serving), asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(store.journal.follow()),
            group.create_task(hear(broker.signals, store, workers, traffic)),
            group.create_task(gossip(broker.signals, traffic, store.journal.writer)),
            group.create_task(janitor.bury(broker.tasks)),
            group.create_task(janitor.follow_retention()),
            group.create_task(expire_uploads(blobs, defaults.upload_ttl_ns)),
            group.create_task(Orphans(store, blobs, on_removed=metrics.orphans_removed.inc).sweep_for_ever()),
            group.create_task(guard.look_for_ever()),
            group.create_task(authenticator.follow()),
            group.create_task(notifier.work()),
            group.create_task(tick()),
        ]
        try:
            yield port
        finally:
            # Watches and uploads would hold the server for its whole grace, and calls under way still need the log: so they are
            # ended first, and the log is followed until the last call has its answer.
            await health.stop()
            watches.close("this gateway is stopping")
            uploads.close("this gateway is stopping")
            await server.stop(config.drain_s)
            await uploads.settle()
            await submitter.settle()
            await notifier.close()
            resolver.close()
            for task in tasks:
                task.cancel()


def _without_password(url: str) -> str:
    user_and_password, at, _ = urlsplit(url).netloc.rpartition("@")
    return url.replace(user_and_password + at, "", 1) if at else url


def _listen(server: grpc.aio.Server, address: str, tls: TlsOptions) -> int:
    credentials = server_credentials(tls) if tls.on else None
    try:
        return server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as error:
        raise ConfigurationError(f"cannot listen on {address}: is another gateway running there?") from error


def _pass_bytes_through(service: DetectionService, server: grpc.aio.Server) -> None:
    """Serve the watches in place of the generated code: their events come serialized already."""
    watch = grpc.unary_stream_rpc_method_handler(
        service.Watch, request_deserializer=WatchRequest.FromString, response_serializer=_serialize
    )
    watch_many = grpc.unary_stream_rpc_method_handler(
        service.WatchMany, request_deserializer=WatchManyRequest.FromString, response_serializer=_serialize
    )
    session = grpc.stream_stream_rpc_method_handler(
        service.Session, request_deserializer=SessionRequest.FromString, response_serializer=_serialize
    )
    server.add_registered_method_handlers(NAME, {"Watch": watch, "WatchMany": watch_many, "Session": session})


def _serialize(message: WatchResponse | bytes) -> bytes:
    return message if isinstance(message, bytes) else message.SerializeToString()
