"""The worker put together: the one place where its parts are named, and the order in which they start and stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import Any

from dispatch.blobs import open_blobs
from dispatch.connect import connect
from dispatch.events import ModelOffered
from dispatch.health import tell_health
from dispatch.journal import new_event_id
from dispatch.options import BrokerOptions
from dispatch.ports import BlobStore, Broker, Kind
from egress.exchange import Exchange
from egress.fetch import Fetcher
from egress.options import EgressOptions
from egress.resolver import SystemResolver
from telemetry.endpoint import serve_metrics
from telemetry.metered_blobs import MeteredBlobs
from telemetry.metered_broker import MeteredBroker
from telemetry.registry import new_registry
from telemetry.tracing import SilentTracer, Tracer, open_tracer
from worker.config import Config
from worker.consume import Intake, queues_of
from worker.desk import Desk
from worker.detection import DetectorPool
from worker.metrics import Metrics
from worker.models import find
from worker.pool import Pool
from worker.report import Presence, Progress
from worker.run import run
from worker.view import View

log = logging.getLogger(__name__)

PER_DETECTOR = 2
"""Pictures that run for each detector, and frames of videos: one is detected while the next is fetched and decoded."""


FETCHES_AT_ONCE = 8
"""Items of each model that are fetched, or looked at after that: mostly they wait for somebody else's server."""


def open_pools(config: Config) -> Sequence[DetectorPool]:
    """Make the detectors of the models that the configuration names. They are not started yet.

    Raises:
        ConfigurationError: a model is not there, or not what it should be.
    """
    files = [find(choice.name, choice.path, config.models_folder, engine=choice.engine) for choice in config.models]
    return [Pool.of(file, detectors=config.detectors, max_pixels=config.max_pixels) for file in files]


@contextmanager
def open_fetcher(options: EgressOptions) -> Iterator[Fetcher]:
    """Give what fetches inputs from addresses.

    Raises:
        ConfigurationError: the certificates cannot be used.
    """
    resolver = SystemResolver()
    try:
        yield Fetcher(Exchange(allowed=options.fetch_from, networks=options.networks, resolver=resolver, tls=options.tls()))
    finally:
        resolver.close()


async def run_worker(config: Config, pools: Sequence[DetectorPool], *, stop: asyncio.Event) -> None:
    """Work until `stop` is set, then drain. The pools are started and closed here.

    Raises:
        ConfigurationError: the broker, the blob store or a detector cannot be used as configured.
        BlobUnavailable: the blob store did not answer.
    """
    async with AsyncExitStack() as stack:
        registry = new_registry("worker")
        await stack.enter_async_context(serve_metrics(registry, config.metrics))
        blobs = MeteredBlobs(open_blobs(config.blobs), registry)
        await blobs.check()
        options = BrokerOptions(name=config.installation, max_queue_length=config.max_queue_length)
        broker = MeteredBroker(await connect(config.broker, options), registry)
        stack.push_async_callback(broker.close)
        metrics = Metrics(registry, pools)
        tracer = open_tracer("worker", config.name) if config.tracing else SilentTracer()
        stack.push_async_callback(tracer.close)
        for pool in pools:
            stack.push_async_callback(pool.close)
            await pool.start()
        fetcher = stack.enter_context(open_fetcher(config.egress)) if config.egress.fetch_from else None
        worker = _Worker(config, pools, broker, blobs, fetcher, metrics, tracer)
        await stack.enter_async_context(tell_health(config.health, lambda: worker.serving))
        await worker.work(stop)
    log.info("worker %s stopped", config.name)


class _Worker:
    def __init__(
        self,
        config: Config,
        pools: Sequence[DetectorPool],
        broker: Broker,
        blobs: BlobStore,
        fetcher: Fetcher | None,
        metrics: Metrics,
        tracer: Tracer,
    ) -> None:
        self._config = config
        self._pools = pools
        self._broker = broker
        self._blobs = blobs
        self._metrics = metrics
        self._tracer = tracer
        self._fetcher = fetcher
        self._view = View(broker.log, lookback_s=config.lookback_s)
        self._progress = Progress(broker.signals)
        self._consuming = False
        self._presence = Presence(
            broker.signals,
            worker=config.name,
            models=[pool.model.name for pool in pools],
            detectors=sum(pool.detectors for pool in pools),
            fetches=fetcher is not None,
        )

    @property
    def serving(self) -> bool:
        """Whether it takes tasks: it has begun to, it was not told to stop, and its broker answers."""
        return self._consuming and self._broker.available

    async def work(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            talking = [
                group.create_task(each) for each in (self._view.journal.follow(), self._presence.tell(), self._progress.tell())
            ]
            if await _finished(self._offer(), stop):
                talking.append(group.create_task(self._offer_again()))
                await self._consume(stop)
            for task in talking:
                task.cancel()

    async def _offer(self) -> None:
        """Tell of the models. The verdicts also mean that all which the log told before is known."""
        for pool in self._pools:
            await self._view.journal.insist(
                ModelOffered(
                    id=new_event_id(),
                    job_id="",
                    time_ns=time.time_ns(),
                    worker=self._config.name,
                    name=pool.model.name,
                    categories=tuple(pool.model.categories),
                    sha256=pool.model.sha256,
                    default_score_threshold=pool.model.default_score_threshold,
                )
            )

    async def _offer_again(self) -> None:
        """Tell of the models for ever: the log drops what is old, and a gateway that starts then must know them too."""
        while True:
            await asyncio.sleep(self._config.offer_every_s)
            await self._offer()

    async def _consume(self, stop: asyncio.Event) -> None:
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            for pool in self._pools:
                desk = self._desk(pool)
                for kind, slots in self._shares(pool):
                    consuming = self._broker.tasks.consume(queues_of(pool.model.name, kind), prefetch=slots)
                    consumer = await stack.enter_async_context(consuming)
                    intake = Intake(partial(run, desk), slots=slots, drain_s=self._config.drain_s)
                    group.create_task(intake.work(consumer, stop))
            offers = ", ".join(f"{pool.model.name} with {pool.detectors} detectors" for pool in self._pools)
            self._consuming = True
            log.info("worker %s ready: %s", self._config.name, offers)
            await stop.wait()
            self._consuming = False

    def _shares(self, pool: DetectorPool) -> Iterator[tuple[Kind, int]]:
        """Say how many tasks of which kind run side by side."""
        yield Kind.PICTURE, pool.detectors * PER_DETECTOR
        yield Kind.VIDEO, videos_at_once(pool)
        if self._fetcher:
            yield Kind.REMOTE, FETCHES_AT_ONCE

    def _desk(self, pool: DetectorPool) -> Desk:
        return Desk(
            worker=self._config.name,
            view=self._view,
            tasks=self._broker.tasks,
            blobs=self._blobs,
            pool=pool,
            frames=asyncio.Semaphore(pool.detectors * PER_DETECTOR),
            max_pixels=self._config.max_pixels,
            progress=self._progress,
            metrics=self._metrics,
            tracer=self._tracer,
            backoff=self._config.backoff,
            fetcher=self._fetcher,
            max_upload_bytes=self._config.max_upload_bytes,
        )


def videos_at_once(pool: DetectorPool) -> int:
    """Say how many videos run side by side: one more than detectors, which are busy then while one is fetched or ends.

    Never only one, or a short video would wait for a long one.
    """
    return pool.detectors + 1


def stop_on_signals() -> asyncio.Event:
    """Give an event that SIGTERM or SIGINT sets. A second signal ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)

    def drain(number: signal.Signals) -> None:
        stop.set()
        for each in numbers:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        log.info("%s: stopping; once more ends at once", number.name)

    for number in numbers:
        loop.add_signal_handler(number, drain, number)
    return stop


async def _finished(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Await the work, unless `stop` comes first; tell whether it was done."""
    doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
        return doing.done()
    finally:
        doing.cancel()
        stopping.cancel()
        await asyncio.gather(doing, stopping, return_exceptions=True)
