"""A real gateway on port 0 with an embedded broker, a real stub, and a hand that plays the worker."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from dispatch.connect import connect
from dispatch.events import Event, Failed, Failure, Started, Succeeded
from dispatch.journal import Journal, new_event_id
from dispatch.options import BrokerOptions
from dispatch.ports import Broker, Delivery, Kind, Lane, Queue
from dispatch.shares import shares
from dispatch.v1.task_pb2 import Task
from gateway.config import Config, read_config
from gateway.limits import Limits
from gateway.server import serve
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.blob_service_pb2_grpc import BlobServiceStub
from myeye.v1.detection_pb2 import Detection, DetectionResult
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from myeye.v1.event_pb2 import Event as PublicEvent
from myeye.v1.job_pb2 import Input, Job, VideoResult

MODEL = "efficientdet-lite0"
LIMIT_S = 20


@dataclass
class Hand:
    """Does by hand what a worker does."""

    broker: Broker
    journal: Journal
    runs: itertools.count[int]

    @asynccontextmanager
    async def taking(self, lane: Lane = Lane.NORMAL, kind: Kind = Kind.PICTURE) -> AsyncIterator[AsyncIterator[Delivery]]:
        queues = [Queue(MODEL, lane, kind, share) for share in shares(kind)]
        async with self.broker.tasks.consume(queues, prefetch=100) as consumer:
            yield aiter(consumer)

    async def start(self, delivery: Delivery) -> tuple[Task, str]:
        task, run = Task.FromString(delivery.body), f"run-{next(self.runs)}"
        await self.journal.commit(
            Started(
                **self._common(task), item=task.item, task_id=task.id, run_id=run, worker="hand", accepted_id=task.accepted_id
            )
        )
        return task, run

    async def succeed(self, task: Task, run: str, *categories: str) -> None:
        found = DetectionResult(width_px=4, height_px=3, detections=[Detection(category=name, score=0.5) for name in categories])
        result = found.SerializeToString()
        await self.journal.commit(Succeeded(**self._common(task), item=task.item, run_id=run, result=result, timings=b""))

    async def succeed_with_video(self, task: Task, run: str, video: VideoResult) -> None:
        await self.tell(Succeeded, task, item=task.item, run_id=run, video=video.SerializeToString(), timings=b"")

    async def tell(self, kind: type[Event], task: Task, **fields: Any) -> None:
        """Append an event that must apply."""
        change = await self.journal.commit(kind(**self._common(task), **fields))
        assert change.applied, change.ignored

    async def fail(self, task: Task, run: str, *, retryable: bool = False) -> None:
        failure = Failure("IMAGE_INVALID", "not a picture")
        event = Failed(
            **self._common(task), item=task.item, run_id=run, failure=failure, retryable=retryable, next_task_id="next"
        )
        await self.journal.commit(event)

    @staticmethod
    def _common(task: Task) -> dict[str, Any]:
        return {"id": new_event_id(), "job_id": task.job_id, "time_ns": time.time_ns()}

    async def finish_next(self, deliveries: AsyncIterator[Delivery], *categories: str) -> None:
        delivery = await anext(deliveries)
        await self.succeed(*await self.start(delivery), *categories)
        await delivery.ack()


@dataclass
class Front:
    """A running gateway, seen from outside."""

    config: Config
    target: str
    channel: grpc.aio.Channel
    stub: DetectionServiceStub
    blob_stub: BlobServiceStub
    health: health_pb2_grpc.HealthStub

    async def submit(self, count: int = 1, **fields: Any) -> Job:
        inputs = fields.pop("inputs", None) or [Input(name=f"p{i}", content=b"picture %d" % i) for i in range(count)]
        return (await self.stub.Submit(pb.SubmitRequest(inputs=inputs, **fields))).job

    async def events(self, job_id: str, after: int = 0) -> list[PublicEvent]:
        """Watch to the end and give the durable events."""
        call = self.stub.Watch(pb.WatchRequest(job_id=job_id, after_sequence=after))
        return [message.event async for message in call if message.HasField("event")]

    @property
    def blobs(self) -> list[Path]:
        root = Path(self.config.blobs.removeprefix("file://"))
        return [path for path in root.rglob("*") if path.is_file()]


def open_channel(target: str, credentials: grpc.ChannelCredentials | None, options: Any = None) -> grpc.aio.Channel:
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, credentials, options=options)


Starting = Callable[..., AbstractAsyncContextManager[Front]]


@pytest.fixture
def start(tmp_path: Path) -> Starting:
    """Start a gateway on the test's own folder, with changes to its configuration."""

    @asynccontextmanager
    async def starting(
        limits: Limits | None = None, credentials: grpc.ChannelCredentials | None = None, **changes: Any
    ) -> AsyncIterator[Front]:
        config = replace(read_config(["--listen", "127.0.0.1:0", "--drain", "2"], {}, tmp_path), **changes)
        async with serve(config, limits) as port:
            options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
            async with open_channel(f"127.0.0.1:{port}", credentials, options) as channel:
                front = Front(
                    config,
                    f"127.0.0.1:{port}",
                    channel,
                    DetectionServiceStub(channel),
                    BlobServiceStub(channel),
                    health_pb2_grpc.HealthStub(channel),
                )
                async with asyncio.timeout(LIMIT_S):
                    async for answer in front.health.Watch(health_pb2.HealthCheckRequest()):
                        if answer.status == health_pb2.HealthCheckResponse.SERVING:
                            break
                yield front

    return starting


@pytest.fixture
async def front(start: Starting) -> AsyncIterator[Front]:
    async with start() as front:
        yield front


@pytest.fixture
async def hand(tmp_path: Path) -> AsyncIterator[Hand]:
    broker = await connect(f"embedded://{tmp_path}/broker", BrokerOptions(lease_s=2.0))
    journal = Journal(broker.log, on_change=lambda _: None, on_reset=lambda: None)
    following = asyncio.ensure_future(journal.follow())
    yield Hand(broker, journal, itertools.count(1))
    following.cancel()
    await broker.close()


def details_of(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    """Unpack the google.rpc details of an error, by their short names."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None, "every error carries details"
    unpacked = {}
    for detail in status.details:
        message = getattr(error_details_pb2, detail.TypeName().rpartition(".")[2])()
        assert detail.Unpack(message)
        unpacked[type(message).__name__] = message
    return unpacked


@pytest.fixture
def refused() -> Callable[..., Any]:
    """Await a call that must be refused with a code and a reason; give its details."""

    async def check(call: Any, code: grpc.StatusCode, reason: str) -> dict[str, Any]:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is code
        details = details_of(caught.value)
        assert details["ErrorInfo"].reason == reason
        assert details["ErrorInfo"].domain == "myeye"
        return details

    return check
