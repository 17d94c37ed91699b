"""Many streams of one client's process, quiet but for an event now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import grpc

from bench.bare_streams import METHODS
from bench.clones import Place, queued
from bench.table import median
from bench.usage import Memory, cpu_s
from dispatch.codec import encode_record
from dispatch.events import Started
from dispatch.journal import new_event_id
from myeye import AsyncClient
from myeye.v1.detection_service_pb2 import WatchRequest

A_CONNECTION = 100
"""Watchers on one connection."""
OPENED_AT_ONCE = 50
QUIET_S = 5.0

Tell = Callable[[int], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Watched:
    """What all of a crowd watch: the method, the request, and how an event is made of each number from 0."""

    method: str
    request: bytes
    tell: Tell


class Stage(Protocol):
    """A service with something to watch."""

    @property
    def target(self) -> str:
        """Where its streams are opened."""

    def open(self, events: int) -> AbstractAsyncContextManager[Watched]: ...


@dataclass(frozen=True, slots=True)
class BareStage:
    """The bare server."""

    target: str

    @asynccontextmanager
    async def open(self, events: int) -> AsyncIterator[Watched]:  # noqa: ARG002 - it makes any number of them
        async with grpc.aio.insecure_channel(self.target) as channel:
            tell: Any = channel.unary_unary(f"/{METHODS}/Tell")
            yield Watched(f"/{METHODS}/Watch", b"", lambda _: tell(b""))


@dataclass(frozen=True, slots=True)
class JobStage:
    """A gateway without workers: a job with an item for each event, which the client begins in the log as a worker would."""

    target: str
    place: Place

    @asynccontextmanager
    async def open(self, events: int) -> AsyncIterator[Watched]:
        async with AsyncClient(self.target) as client, self.place.connect() as broker:
            job_id = (await client.submit([b"nothing"] * events)).id
            accepted_id = (await queued(self.place, job_id)).ids[1]

            async def tell(number: int) -> None:
                item = {"item": number, "task_id": f"task-{number}", "run_id": f"run-{number}", "worker": "bench"}
                event = Started(id=new_event_id(), job_id=job_id, time_ns=time.time_ns(), accepted_id=accepted_id, **item)  # type: ignore[arg-type]
                await broker.log.append(encode_record([event]))

            yield Watched("/myeye.v1.DetectionService/Watch", WatchRequest(job_id=job_id).SerializeToString(), tell)


@dataclass(frozen=True, slots=True)
class Crowd:
    """What it cost the server: memory of each watcher, time and CPU time of one event to all (medians), CPU while quiet."""

    watcher_kb: float
    heard_ms: float
    cpu_ms: float
    quiet_percent: float


async def gather_crowd(stage: Stage, pid: int, watchers: int, events: int) -> Crowd:
    """Let all watch, and tell them events, one after the other."""
    async with stage.open(events) as watched, AsyncExitStack() as connected:
        before_mb = Memory.of(pid).rss_mb
        streams = await _watch(stage.target, watched, watchers, connected)
        grown_mb = Memory.of(pid).rss_mb - before_mb
        quiet_cpu_s = cpu_s(pid)
        await asyncio.sleep(QUIET_S)
        quiet_cpu_s = cpu_s(pid) - quiet_cpu_s
        heard: list[tuple[float, float]] = []
        for number in range(events):
            begun_s, begun_cpu_s = time.perf_counter(), cpu_s(pid)
            hearing = asyncio.gather(*(stream.read() for stream in streams))
            await watched.tell(number)
            await hearing
            heard.append((time.perf_counter() - begun_s, cpu_s(pid) - begun_cpu_s))
        for stream in streams:
            stream.cancel()
    heard_s, told_cpu_s = (median(each) for each in zip(*heard, strict=True))
    return Crowd(grown_mb * 1000 / watchers, heard_s * 1000, told_cpu_s * 1000, quiet_cpu_s / QUIET_S * 100)


async def _watch(target: str, watched: Watched, watchers: int, connected: AsyncExitStack) -> list[Any]:
    """Open the streams, and return when each has been told how things are."""
    opened_at_once = asyncio.Semaphore(OPENED_AT_ONCE)

    async def begin(watch: Any) -> Any:
        async with opened_at_once:
            stream = watch(watched.request)
            await stream.read()
            return stream

    beginnings = []
    for first in range(0, watchers, A_CONNECTION):
        channel = grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
        watch: Any = (await connected.enter_async_context(channel)).unary_stream(watched.method)
        beginnings += [begin(watch) for _ in range(min(A_CONNECTION, watchers - first))]
    return list(await asyncio.gather(*beginnings))
