"""Many jobs made of one: what was written of it is written again under other ids, as fast as the broker takes it."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from dispatch.blobs import open_blobs
from dispatch.connect import connect
from dispatch.options import BrokerOptions
from dispatch.ports import Broker, Queue
from dispatch.v1.event_pb2 import Record
from dispatch.v1.task_pb2 import Task

AT_ONCE = 200
CONNECTED_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an installation keeps things."""

    broker: str
    blobs: str
    options: BrokerOptions

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Broker]:
        broker = await connect(self.broker, self.options)
        try:
            async with asyncio.timeout(CONNECTED_WITHIN_S):
                while not broker.available:  # noqa: ASYNC110 - nothing else tells
                    await asyncio.sleep(0.05)
            yield broker
        finally:
            await broker.close()


@dataclass(frozen=True, slots=True)
class Model:
    """A job that others are made of: its records, and its task if it still has one."""

    job_id: str
    ids: tuple[bytes, ...]
    """What may not be there twice: of the job, its events and its task."""
    records: tuple[bytes, ...]
    task: bytes = b""

    def clone(self, number: int) -> Model:
        """Make another job, the same one for the same number. Its ids are as long, so that all lengths within stay true."""
        job_id = base64.b32encode(number.to_bytes(16)).decode().lower().rstrip("=")
        ids = (job_id.encode(), *(os.urandom(len(each) // 2).hex().encode() for each in self.ids[1:]))

        def renamed(body: bytes) -> bytes:
            for old, new in zip(self.ids, ids, strict=True):
                body = body.replace(old, new)
            return body

        return Model(job_id, ids, tuple(map(renamed, self.records)), renamed(self.task))


async def finished(place: Place, job_id: str) -> Model:
    """Read what the log has of a job that has succeeded."""
    async with place.connect() as broker:
        return await _read(broker, job_id, "succeeded")


async def queued(place: Place, job_id: str, queue: Queue | None = None) -> Model:
    """Read what the log has of a job that waits; with a queue, its task too, which is the only one there and remains there."""
    async with place.connect() as broker:
        model = await _read(broker, job_id, "enqueued")
        if queue is None:
            return model
        async with broker.tasks.consume([queue], prefetch=1) as consumer:
            delivery = await anext(aiter(consumer))
            task = Task.FromString(delivery.body)
            await delivery.release()
    assert task.job_id == job_id
    return Model(job_id, (*model.ids, task.id.encode()), model.records, delivery.body)


async def _read(broker: Broker, job_id: str, last: str) -> Model:
    ids: list[bytes] = [job_id.encode()]
    records: list[bytes] = []
    async with aclosing(broker.log.read()) as batches:  # type: ignore[type-var]
        async for batch in batches:
            for record in batch:
                events = [event for event in Record.FromString(record.body).events if event.job_id == job_id]
                if events:
                    ids += [event.id for event in events]
                    records.append(Record(events=events).SerializeToString())
                if any(event.WhichOneof("kind") == last for event in events):
                    return Model(job_id, tuple(ids), tuple(records))
    raise AssertionError("a log has no end")


async def fill(place: Place, model: Model, first: int, count: int, *, queue: Queue | None = None, pictures: int = 0) -> None:
    """Write jobs from a number on; with a queue their tasks too, and the pictures of the first ones, which will be done."""
    blobs = open_blobs(place.blobs)
    async with place.connect() as broker:

        async def write(number: int) -> None:
            clone = model.clone(number)
            if number < first + pictures:
                source, target = Task.FromString(model.task).input_blob, Task.FromString(clone.task).input_blob
                await blobs.copy(source, target)
            await asyncio.gather(*map(broker.log.append, clone.records))
            if queue is not None:
                await broker.tasks.publish(queue, clone.task)

        for begin in range(first, first + count, AT_ONCE):
            await asyncio.gather(*(write(number) for number in range(begin, min(begin + AT_ONCE, first + count))))
