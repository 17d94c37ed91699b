"""A worker's surroundings: a real embedded broker, a real blob store, what a gateway would do, and a detector that obeys."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from prometheus_client import CollectorRegistry

from dispatch.backoff import Backoff
from dispatch.blobs import open_blobs
from dispatch.codec import duration, spec_of, timestamp
from dispatch.embedded.broker import EmbeddedBroker
from dispatch.events import Accepted, Cancelled, Event
from dispatch.fold import Change
from dispatch.journal import Journal, new_event_id
from dispatch.lifecycle import Item, Job, State
from dispatch.options import BrokerOptions
from dispatch.ports import BlobStore, Broker, Delivery, Kind, Lane, Queue
from dispatch.task import kind_of
from dispatch.v1.event_pb2 import JobSpec, StoredInput
from dispatch.v1.remote_pb2 import Remote
from dispatch.v1.task_pb2 import Task
from myeye.v1.job_pb2 import VideoOptions
from telemetry.tracing import SilentTracer
from worker.config import Config, ModelChoice
from worker.consume import queues_of
from worker.desk import Desk
from worker.detection import Box, Census, DetectorFailed, DetectOutcome, DetectRequest, Model, Stage
from worker.metrics import Metrics
from worker.report import Progress
from worker.runner import run_worker
from worker.view import View

T = TypeVar("T")

MODEL = "toy"
LIMIT_S = 20.0
FAST = Backoff(base_s=0.05, cap_s=0.1)
OUTCOME = DetectOutcome(
    width_px=640,
    height_px=480,
    boxes=(Box("cat", 0.9, 1, 2, 30, 40),),
    annotated=b"",
    decode_s=0.01,
    detect_s=0.05,
    annotate_s=0.02,
)


class ToyPool:
    """A detector that does as it is told: each step is an error to raise or an event to wait for, and then it finds a cat."""

    def __init__(self, *steps: Exception | asyncio.Event | None, detectors: int = 1) -> None:
        self.model = Model(MODEL, "00" * 32, 0.5, ("cat", "dog"))
        self.detectors = detectors
        self.census = Census(ready=detectors, busy=0)
        self.requests: list[DetectRequest] = []
        self.began = asyncio.Semaphore(0)
        self.stopped = asyncio.Semaphore(0)
        self._steps = list(steps)

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def detect(self, request: DetectRequest, *, on_stage: Callable[[Stage], None], timeout_s: float) -> DetectOutcome:
        step = self._steps.pop(0) if self._steps else None
        self.requests.append(request)
        on_stage(Stage.DETECTING)
        self.began.release()
        try:
            if isinstance(step, Exception):
                raise step
            if step is not None:
                async with asyncio.timeout(timeout_s):
                    await step.wait()
        except TimeoutError as error:
            self.stopped.release()
            raise DetectorFailed("EXECUTION_TIMEOUT", f"not done within {timeout_s:g} s") from error
        except asyncio.CancelledError:
            self.stopped.release()
            raise
        return replace(OUTCOME, annotated=b"drawn" if request.annotate else b"")


@dataclass
class Site:
    """An installation without workers, with a gateway's part of the work."""

    folder: Path
    options: BrokerOptions
    broker: Broker
    blobs: BlobStore
    changes: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._news = asyncio.Event()
        self.journal = Journal(self.broker.log, on_change=self._on_change, on_reset=lambda: None)

    def _on_change(self, change: Change) -> None:
        self.changes.append(change)
        self._news.set()

    async def until(self, look: Callable[[], T | None]) -> T:
        """Look whenever the log has grown, until there is something to see."""
        async with asyncio.timeout(LIMIT_S):
            while not (seen := look()):
                self._news.clear()
                await self._news.wait()
        return seen

    async def ended(self, job_id: str) -> Job:
        """Wait for the job's end."""

        def look() -> Job | None:
            job = self.journal.fold.jobs.get(job_id)
            return job if job and job.state.terminal else None

        return await self.until(look)

    async def at(self, job_id: str, state: State, *, attempt: int) -> Item:
        """Wait until the job's first item is in a state, in an attempt."""

        def look() -> Item | None:
            job = self.journal.fold.jobs.get(job_id)
            item = job.items[0] if job else None
            return item if item and (item.state, item.attempt) == (state, attempt) else None

        return await self.until(look)

    def told(self, kind: type[Event], job_id: str) -> list[Change]:
        """List what the events of a kind did to a job."""
        return [change for change in self.changes if isinstance(change.event, kind) and change.event.job_id == job_id]

    async def accept(
        self,
        *,
        max_attempts: int = 3,
        picture: bytes | None = b"a picture",
        unlogged: bool = False,
        video: VideoOptions | None = None,
        annotate: bool = False,
        remote: Remote | None = None,
    ) -> Task:
        """Do what a gateway does before it publishes, and give the task that it would publish."""
        job_id = uuid.uuid4().hex
        blob = f"jobs/{job_id}/0/input"
        if picture is not None:
            await self.blobs.put(blob, picture)
        spec = JobSpec(inputs=[StoredInput(blob=blob, video=video, remote=remote)], model=MODEL, max_attempts=max_attempts)
        now_ns = time.time_ns()
        accepted = Accepted(id=new_event_id(), job_id=job_id, time_ns=now_ns, spec=spec_of(spec.SerializeToString()), digest=b"")
        if not unlogged:
            await self.journal.commit(accepted)
        return Task(
            id=uuid.uuid4().hex,
            job_id=job_id,
            attempt=1,
            input_blob=blob,
            annotated_blob=blob.replace("input", "annotated") if annotate else "",
            video=video,
            remote=remote,
            video_execution_timeout=duration(120 * 10**9) if remote else None,
            model=MODEL,
            create_time=timestamp(now_ns),
            execution_timeout=duration(60 * 10**9),
            accepted_id=accepted.id,
        )

    async def publish(self, task: Task, lane: Lane = Lane.NORMAL) -> None:
        await self.broker.tasks.publish(Queue(MODEL, lane, kind_of(task)), task.SerializeToString())

    async def cancel(self, job_id: str) -> None:
        await self.journal.commit(Cancelled(id=new_event_id(), job_id=job_id, time_ns=time.time_ns(), reason="enough"))

    async def depths(self, kind: Kind = Kind.PICTURE) -> list[int]:
        """Count what waits in each lane."""
        depths = dict.fromkeys(Lane, 0)
        for queue in queues_of(MODEL, kind):
            depths[queue.lane] += await self.broker.tasks.depth(queue)
        return list(depths.values())

    @asynccontextmanager
    async def delivery(self) -> AsyncIterator[Delivery]:
        """Take one task of the model; leaving the context gives it back, if it is still held."""
        async with asyncio.timeout(LIMIT_S), self.broker.tasks.consume(queues_of(MODEL), prefetch=1) as consumer:
            delivery = await anext(aiter(consumer))
            await consumer.stop()
            yield delivery

    @asynccontextmanager
    async def desk(
        self,
        pool: ToyPool,
        *,
        blobs: BlobStore | None = None,
        backoff: Backoff = FAST,
        registry: CollectorRegistry | None = None,
    ) -> AsyncIterator[Desk]:
        """Give a run's tools, with a view of its own that has caught up."""
        view = View(self.broker.log, lookback_s=3600.0)
        following = asyncio.create_task(view.journal.follow())
        await view.journal.barrier()
        yield Desk(
            worker="w0",
            view=view,
            tasks=self.broker.tasks,
            blobs=blobs or self.blobs,
            pool=pool,
            frames=asyncio.Semaphore(2),
            max_pixels=1_000_000,
            progress=Progress(self.broker.signals),
            metrics=Metrics(registry or CollectorRegistry(), [pool]),
            tracer=SilentTracer(),
            backoff=backoff,
        )
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    @asynccontextmanager
    async def worker(
        self, pool: ToyPool, *, name: str = "w1", drain_s: float = LIMIT_S, **changes: Any
    ) -> AsyncIterator[asyncio.Event]:
        """Run a whole worker; the event stops it, and leaving the context too. Its end is awaited."""
        config = Config(
            broker=f"embedded://{self.folder}/broker",
            blobs=f"file://{self.folder}/blobs",
            models_folder=self.folder,
            name=name,
            models=(ModelChoice(MODEL),),
            drain_s=drain_s,
            installation=self.options.name,
            backoff=FAST,
            **changes,
        )
        stop = asyncio.Event()
        working = asyncio.create_task(run_worker(config, [pool], stop=stop))
        try:
            yield stop
        finally:
            stop.set()
            async with asyncio.timeout(2 * LIMIT_S):
                await working


@pytest.fixture
def pool_of() -> type[ToyPool]:
    return ToyPool


@pytest.fixture
def options() -> BrokerOptions:
    return BrokerOptions(max_queue_length=5)


@pytest.fixture
async def site(tmp_path: Path, options: BrokerOptions) -> AsyncIterator[Site]:
    broker = await EmbeddedBroker.open(str(tmp_path / "broker"), options)
    site = Site(tmp_path, options, broker, open_blobs(f"file://{tmp_path}/blobs"))
    following = asyncio.create_task(site.journal.follow())
    yield site
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await broker.close()
