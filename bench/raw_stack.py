"""The least that could do the job with the same libraries and the same durability: bytes in, one confirmed publish to a quorum
queue, a worker that answers, one reply message; one stream for each job, or one for all, or one both ways. No contract, no
history, no retries: it is the limit.

`python -m bench.raw_stack gateway URL QUEUE ADDRESS` and `python -m bench.raw_stack worker URL QUEUE PREFETCH`
"""

from __future__ import annotations

import asyncio
import struct
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import grpc
import pika
from pika.adapters.asyncio_connection import AsyncioConnection

METHODS = "bench.Raw"
FRAME = struct.Struct("!IQ")
"""Before each part of a session's message: its length, and the number that the client gave the job."""
MOST_BYTES = 1024 * 1024
DONE = struct.Struct("!q")
"""A reply: when the worker was done, in nanoseconds since 1970."""
ID_BYTES = 32


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


async def open_channel(url: str) -> Any:
    """Connect."""
    opened = _future()
    AsyncioConnection(
        pika.URLParameters(url),
        on_open_callback=opened.set_result,
        on_open_error_callback=lambda _, error: opened.set_exception(error),
    )
    connection = await opened
    ready = _future()
    connection.channel(on_open_callback=ready.set_result)
    return await ready


async def declare(channel: Any, queue: str) -> None:
    """See that the queue is there."""
    declared = _future()
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"}, callback=declared.set_result)
    await declared


def frame(number: int, body: bytes) -> bytes:
    """Make a part of a session's message."""
    return FRAME.pack(len(body), number) + body


def frames(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the parts of a session's message."""
    at = 0
    while at < len(message):
        length, number = FRAME.unpack_from(message, at)
        at += FRAME.size + length
        yield number, message[at - length : at]


def named(message: bytes) -> Iterator[tuple[str, bytes]]:
    """Give the replies of a WatchMany's message, each behind its job's id."""
    size = ID_BYTES + DONE.size
    for at in range(0, len(message), size):
        yield message[at : at + ID_BYTES].decode(), message[at + ID_BYTES : at + size]


async def gathered(queue: asyncio.Queue[bytes]) -> bytes:
    """Take what is there, as one message."""
    parts = [await queue.get()]
    size = len(parts[0])
    while size < MOST_BYTES and not queue.empty():
        parts.append(queue.get_nowait())
        size += len(parts[-1])
    return b"".join(parts)


class Gateway:
    """Submit, a picture to an id; Watch, an id to one reply; WatchMany, all replies; Session, pictures to accepts and replies."""

    def __init__(self, channel: Any, queue: str) -> None:
        self._channel = channel
        self._queue = queue
        self._reply_to = ""
        self._published = 0
        self._unconfirmed: dict[int, asyncio.Future[None]] = {}
        self._replies: defaultdict[str, asyncio.Future[bytes]] = defaultdict(_future)
        self._watching_all: asyncio.Queue[bytes] | None = None

    async def open(self) -> None:
        await declare(self._channel, self._queue)
        declared, consuming, confirming = _future(), _future(), _future()
        self._channel.queue_declare("", exclusive=True, callback=declared.set_result)
        self._reply_to = (await declared).method.queue
        self._channel.basic_consume(self._reply_to, self._on_reply, auto_ack=True, callback=consuming.set_result)
        await consuming
        self._channel.confirm_delivery(self._on_confirm, callback=confirming.set_result)
        await confirming

    def _on_reply(self, _channel: Any, _method: Any, properties: Any, body: bytes) -> None:
        if self._watching_all is not None:
            self._watching_all.put_nowait(properties.correlation_id.encode() + body)
        else:
            self._replies[properties.correlation_id].set_result(body)

    def _on_confirm(self, frame: Any) -> None:
        tag, multiple = frame.method.delivery_tag, frame.method.multiple
        for each in [tag] if not multiple else [known for known in self._unconfirmed if known <= tag]:
            self._unconfirmed.pop(each).set_result(None)

    def _publish(self, job: str, picture: bytes) -> asyncio.Future[None]:
        self._published += 1
        confirmed = self._unconfirmed[self._published] = _future()
        properties = pika.BasicProperties(delivery_mode=2, correlation_id=job, reply_to=self._reply_to)
        self._channel.basic_publish("", self._queue, picture, properties)
        return confirmed

    async def submit(self, picture: bytes, _context: Any) -> bytes:
        job = uuid.uuid4().hex
        await self._publish(job, picture)
        return job.encode()

    async def watch(self, job: bytes, _context: Any) -> AsyncIterator[bytes]:
        yield await self._replies[job.decode()]
        del self._replies[job.decode()]

    async def watch_many(self, _request: bytes, _context: Any) -> AsyncIterator[bytes]:
        self._watching_all = asyncio.Queue()
        try:
            yield b""
            while True:
                yield await gathered(self._watching_all)
        finally:
            self._watching_all = None

    async def session(self, messages: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        told: asyncio.Queue[bytes] = asyncio.Queue()
        reading = asyncio.ensure_future(self._read(messages, told))
        try:
            while True:
                yield await gathered(told)
        finally:
            reading.cancel()

    async def _read(self, messages: AsyncIterator[bytes], told: asyncio.Queue[bytes]) -> None:
        async for message in messages:
            for number, picture in frames(message):
                job = uuid.uuid4().hex
                self._replies[job].add_done_callback(partial(self._reply, job, number, told))
                self._publish(job, picture).add_done_callback(lambda _, number=number: told.put_nowait(frame(number, b"")))  # type: ignore[misc]

    def _reply(self, job: str, number: int, told: asyncio.Queue[bytes], reply: asyncio.Future[bytes]) -> None:
        del self._replies[job]
        told.put_nowait(frame(number, reply.result()))


async def serve(url: str, queue: str, address: str) -> None:
    gateway = Gateway(await open_channel(url), queue)
    await gateway.open()
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 32 << 20)])
    handlers: dict[str, Any] = {
        "Submit": grpc.unary_unary_rpc_method_handler(gateway.submit),
        "Watch": grpc.unary_stream_rpc_method_handler(gateway.watch),
        "WatchMany": grpc.unary_stream_rpc_method_handler(gateway.watch_many),
        "Session": grpc.stream_stream_rpc_method_handler(gateway.session),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(METHODS, handlers),))
    server.add_insecure_port(address)
    await server.start()
    print("ready", flush=True)
    await server.wait_for_termination()


async def work(url: str, queue: str, prefetch: int) -> None:
    channel = await open_channel(url)
    await declare(channel, queue)
    consuming, limited = _future(), _future()
    channel.basic_qos(prefetch_count=prefetch, callback=limited.set_result)
    await limited
    channel.basic_consume(queue, _answer, callback=consuming.set_result)
    await consuming
    print("ready", flush=True)
    await _future()


def _answer(channel: Any, method: Any, properties: Any, _picture: bytes) -> None:
    reply = pika.BasicProperties(correlation_id=properties.correlation_id)
    channel.basic_publish("", properties.reply_to, DONE.pack(time.time_ns()), reply)
    channel.basic_ack(method.delivery_tag)


if __name__ == "__main__":
    role, *given = sys.argv[1:]
    asyncio.run(serve(*given) if role == "gateway" else work(given[0], given[1], int(given[2])))
