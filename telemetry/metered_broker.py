"""A broker whose publishing is counted and timed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from dispatch.errors import DispatchError, QueueFull
from dispatch.ports import Broker, Consumer, EventLog, Queue, Record, Signals, TaskQueue
from telemetry.buckets import QUICK_S


class MeteredBroker:
    """Implements `dispatch.ports.Broker` by another."""

    def __init__(self, broker: Broker, registry: CollectorRegistry) -> None:
        self._broker = broker
        publishes = _Publishes(registry)
        self.tasks: TaskQueue = _MeteredTasks(broker.tasks, publishes)
        self.log: EventLog = _MeteredLog(broker.log, publishes)
        connected = Gauge("myeye_broker_connected", "1 while the broker could confirm something, 0 otherwise.", registry=registry)
        connected.set_function(lambda: broker.available)

    @property
    def signals(self) -> Signals:
        return self._broker.signals

    @property
    def available(self) -> bool:
        return self._broker.available

    async def close(self) -> None:
        await self._broker.close()


class _Publishes:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._publishes = Counter(
            "myeye_publishes_total",
            "Tasks sent to queues and records sent to the log: outcome is confirmed, full, unconfirmed or cut.",
            ["to", "outcome"],
            registry=registry,
        )
        self._durations = Histogram(
            "myeye_publish_duration_seconds",
            "Until the broker had confirmed what was sent, or it was given up.",
            ["to"],
            buckets=QUICK_S,
            registry=registry,
        )
        self._in_flight = Gauge(
            "myeye_publishes_in_flight", "What was sent to the broker and is not confirmed yet.", ["to"], registry=registry
        )
        for to in ("queue", "log"):
            self._in_flight.labels(to)

    @contextmanager
    def one(self, to: str) -> Iterator[None]:
        """Count one publish."""
        in_flight = self._in_flight.labels(to)
        in_flight.inc()
        begun_s, outcome = time.perf_counter(), "cut"
        try:
            yield
            outcome = "confirmed"
        except QueueFull:
            outcome = "full"
            raise
        except DispatchError:
            outcome = "unconfirmed"
            raise
        finally:
            in_flight.dec()
            self._publishes.labels(to, outcome).inc()
            self._durations.labels(to).observe(time.perf_counter() - begun_s)


class _MeteredTasks:
    def __init__(self, tasks: TaskQueue, publishes: _Publishes) -> None:
        self._tasks = tasks
        self._publishes = publishes

    async def publish(self, queue: Queue, body: bytes, *, delay_s: float = 0.0) -> None:
        with self._publishes.one("queue"):
            await self._tasks.publish(queue, body, delay_s=delay_s)

    def consume(self, queues: Sequence[Queue], *, prefetch: int) -> AbstractAsyncContextManager[Consumer]:
        return self._tasks.consume(queues, prefetch=prefetch)

    def dead_letters(self, *, prefetch: int) -> AbstractAsyncContextManager[Consumer]:
        return self._tasks.dead_letters(prefetch=prefetch)

    async def depth(self, queue: Queue) -> int:
        return await self._tasks.depth(queue)


class _MeteredLog:
    def __init__(self, log: EventLog, publishes: _Publishes) -> None:
        self._log = log
        self._publishes = publishes

    async def append(self, body: bytes) -> None:
        with self._publishes.one("log"):
            await self._log.append(body)

    def read(self, *, lookback_s: float | None = None) -> AsyncIterator[Sequence[Record]]:
        return self._log.read(lookback_s=lookback_s)

    async def oldest(self) -> int:
        return await self._log.oldest()
