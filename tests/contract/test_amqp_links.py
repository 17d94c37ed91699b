"""What the links to RabbitMQ suffer: cut in the middle, refused, sent astray. The broker itself is well."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from urllib.parse import urlsplit

import pika
import pytest

from dispatch.amqp.address import parameters_of
from dispatch.amqp.confirms import Unroutable
from dispatch.amqp.declarations import Declarations
from dispatch.amqp.link import Link
from dispatch.amqp.publisher import Publisher
from dispatch.amqp.topology import Route, Topology
from dispatch.connect import connect
from dispatch.errors import BrokerUnavailable, ConfigurationError, DispatchError, LogTruncated, QueueFull
from dispatch.options import BrokerOptions
from dispatch.ports import Broker, Lane, Queue, Record

QUEUE = Queue("model", Lane.NORMAL)
LIMIT_S = 40.0


class Proxy:
    """Carries TCP to a port of this machine, until it is cut."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Reset what is open, and refuse what comes."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            linger_0 = struct.pack("ii", 1, 0)  # so that closing resets
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_0)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        writers = {writer, far_writer}
        self._writers |= writers
        await asyncio.wait(
            [asyncio.create_task(_pump(reader, far_writer)), asyncio.create_task(_pump(far_reader, writer))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        self._writers -= writers
        for each in writers:
            each.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@pytest.fixture
async def proxy(rabbit_url: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(urlsplit(rabbit_url).port or 5672)
    await proxy.mend()
    yield proxy
    await proxy.cut()


@asynccontextmanager
async def connected(url: str, options: BrokerOptions) -> AsyncIterator[Broker]:
    broker = await connect(url, options)
    try:
        yield broker
    finally:
        await broker.close()


@pytest.fixture
async def ours(rabbit_url: str, options: BrokerOptions) -> AsyncIterator[Broker]:
    async with connected(rabbit_url, options) as broker:
        yield broker


@pytest.fixture
async def through_proxy(rabbit_url: str, proxy: Proxy, options: BrokerOptions) -> AsyncIterator[Broker]:
    url = rabbit_url.replace(str(urlsplit(rabbit_url).port), str(proxy.port))
    async with connected(url, options) as broker:
        yield broker


@asynccontextmanager
async def linked(url: str, options: BrokerOptions) -> AsyncIterator[Link]:
    link = Link(parameters_of(url, options), "test")
    yield link
    await link.close()


async def publish_until_refused(publish: Callable[[], Awaitable[None]]) -> int:
    """Publish one by one, 20 at most, and count what was confirmed before the refusal."""
    for confirmed in range(20):
        try:
            await publish()
        except DispatchError:
            return confirmed
    raise AssertionError("nothing was refused")


@contextmanager
def channel(url: str) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    """An operator's own hand on the broker."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    yield connection.channel()
    connection.close()


async def delete(url: str, queue: str) -> None:
    def act() -> None:
        with channel(url) as operator:
            operator.queue_delete(queue)

    await asyncio.to_thread(act)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - nobody tells when it comes true
            await asyncio.sleep(0.02)


async def next_batch(batches: AsyncIterator[Sequence[Record]]) -> Sequence[bytes]:
    async with asyncio.timeout(LIMIT_S):
        return [record.body for record in await anext(batches)]


async def test_what_is_under_way_when_the_connection_is_reset_fails_and_what_comes_later_does_not(
    proxy: Proxy, through_proxy: Broker
) -> None:
    await through_proxy.log.append(b"before")
    under_way = [asyncio.create_task(through_proxy.log.append(b"under way")) for _ in range(50)]
    await asyncio.sleep(0)
    await proxy.cut()
    async with asyncio.timeout(LIMIT_S):
        outcomes = await asyncio.gather(*under_way, return_exceptions=True)
    assert all(isinstance(outcome, BrokerUnavailable) for outcome in outcomes)
    await proxy.mend()
    await until(lambda: through_proxy.available)
    await through_proxy.log.append(b"after")


async def test_a_log_reader_repeats_nothing_and_misses_nothing_when_its_connection_is_reset(
    proxy: Proxy, through_proxy: Broker, ours: Broker
) -> None:
    read: list[bytes] = []

    async def follow() -> None:
        async for batch in through_proxy.log.read():
            read.extend(record.body for record in batch)

    following = asyncio.create_task(follow())
    expected = [b"%d" % number for number in range(300)]
    for start in (0, 100, 200):
        for body in expected[start : start + 50]:
            await ours.log.append(body)
        await until(lambda: len(read) > 0)
        await proxy.cut()
        for body in expected[start + 50 : start + 100]:
            await ours.log.append(body)
        await proxy.mend()
    await until(lambda: read[-1:] == expected[-1:])
    following.cancel()
    assert read == expected


async def test_a_consumer_gets_again_what_it_held_when_its_connection_was_reset(
    proxy: Proxy, through_proxy: Broker, ours: Broker
) -> None:
    await ours.tasks.publish(QUEUE, b"task")
    async with through_proxy.tasks.consume([QUEUE], prefetch=1) as consumer, asyncio.timeout(LIMIT_S):
        held = await anext(aiter(consumer))
        await proxy.cut()
        await proxy.mend()
        again = await anext(aiter(consumer))
        await held.ack()
        await again.ack()
    assert (held.redelivered, again.redelivered, again.body) == (False, True, b"task")
    assert await ours.tasks.depth(QUEUE) == 0


async def test_a_reader_is_told_when_the_stream_is_deleted(rabbit_url: str, ours: Broker, options: BrokerOptions) -> None:
    await ours.log.append(b"one")
    batches = aiter(ours.log.read())
    assert await next_batch(batches) == [b"one"]
    await delete(rabbit_url, f"{options.name}.log")
    with pytest.raises(LogTruncated):
        await next_batch(batches)


@pytest.mark.parametrize("options", [{"log_segment_bytes": 40_000, "log_max_bytes": 120_000}], indirect=True)
async def test_a_reader_that_has_caught_up_goes_on_when_the_log_drops_what_is_behind_it(
    proxy: Proxy, through_proxy: Broker, ours: Broker
) -> None:
    await ours.log.append(b"first")
    batches = through_proxy.log.read()
    async with asyncio.timeout(LIMIT_S):
        first = (await anext(batches))[0]
        while await ours.log.oldest() <= first.position:
            await ours.log.append(b"x" * 4000)
            await anext(batches)
        await proxy.cut()
        await ours.log.append(b"last")
        await proxy.mend()
        assert await next_batch(batches) == [b"last"]
        assert (await anext(ours.log.read()))[0].position == await through_proxy.log.oldest()


@pytest.mark.parametrize("records", [[], [b"other"], [b"other", b"others"]], ids=["empty", "as long", "longer"])
async def test_a_reader_that_was_away_is_told_that_the_stream_is_another(
    rabbit_url: str, proxy: Proxy, through_proxy: Broker, ours: Broker, options: BrokerOptions, records: list[bytes]
) -> None:
    await ours.log.append(b"one")
    batches = aiter(through_proxy.log.read())
    assert await next_batch(batches) == [b"one"]
    await proxy.cut()
    await delete(rabbit_url, f"{options.name}.log")
    async with linked(rabbit_url, options) as link:
        await Declarations(link).ensure((Topology(options).log,))
    for body in records:
        await ours.log.append(body)
    await proxy.mend()
    with pytest.raises(LogTruncated):
        await next_batch(batches)


async def test_a_record_appended_after_the_stream_was_deleted_makes_a_new_one(
    rabbit_url: str, ours: Broker, options: BrokerOptions
) -> None:
    await ours.log.append(b"old")
    await delete(rabbit_url, f"{options.name}.log")
    await ours.log.append(b"new")
    batches = aiter(ours.log.read())
    assert await next_batch(batches) == [b"new"]


@pytest.fixture
async def publisher(rabbit_url: str, options: BrokerOptions) -> AsyncIterator[Publisher]:
    """A publisher without reasons why it is refused."""
    async with linked(rabbit_url, options) as link:
        publisher = Publisher(link, Declarations(link), probe=f"{options.name}.probe", timeout_s=2.0)
        yield publisher
        await publisher.close()


async def test_a_message_that_no_queue_takes_is_an_error(publisher: Publisher, options: BrokerOptions) -> None:
    with pytest.raises(Unroutable):
        await publisher.publish(Route("", f"{options.name}.nowhere", ()), b"lost")


async def test_the_other_messages_under_way_are_confirmed_beside_one_that_no_queue_takes(
    publisher: Publisher, options: BrokerOptions
) -> None:
    good = Topology(options).route(QUEUE)
    astray = Route("", f"{options.name}.nowhere", ())
    routes = [astray if number % 10 == 5 else good for number in range(100)]
    outcomes = await asyncio.gather(*(publisher.publish(route, b"body") for route in routes), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unroutable if route is astray else type(None) for route in routes]


async def test_a_refusal_without_a_reason_is_tried_on_fresh_channels_until_the_time_is_up(
    publisher: Publisher, options: BrokerOptions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    route = Topology(replace(options, max_queue_length=2)).route(QUEUE)
    await publish_until_refused(lambda: publisher.publish(route, b"body"))
    with pytest.raises(BrokerUnavailable):
        await publisher.publish(route, b"body")
    assert caplog.text.count("refused a message") > 1


async def test_a_full_queue_refuses_and_the_others_go_on(rabbit_url: str, options: BrokerOptions) -> None:
    async with connected(rabbit_url, replace(options, max_queue_length=5)) as broker:
        kept = await publish_until_refused(lambda: broker.tasks.publish(QUEUE, b"task"))
        other = replace(QUEUE, lane=Lane.HIGH)
        outcomes = await asyncio.gather(
            *(broker.tasks.publish(queue, b"task") for queue in (QUEUE, other) * 5), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [QueueFull, type(None)] * 5
        assert await broker.tasks.depth(QUEUE) == kept


async def test_a_queue_declared_otherwise_is_a_configuration_error(rabbit_url: str, ours: Broker, options: BrokerOptions) -> None:
    await ours.tasks.publish(QUEUE, b"task")
    async with connected(rabbit_url, replace(options, max_queue_length=7)) as other:
        with pytest.raises(ConfigurationError, match="x-max-length"):
            await other.tasks.publish(QUEUE, b"task")
        await other.log.append(b"the log is not concerned")


async def test_a_wrong_password_is_told_without_it(
    rabbit_url: str, options: BrokerOptions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with connected(rabbit_url.replace("guest:guest", "guest:opensesame"), options) as broker:
        await until(lambda: "refuses us" in caplog.text)
        assert not broker.available
        with pytest.raises(BrokerUnavailable) as failure:
            await broker.tasks.publish(QUEUE, b"task")
    assert "opensesame" not in caplog.text + str(failure.value)


@pytest.mark.parametrize("url", ["amqp://guest:opensesame@host:port/", "amqp://guest:opensesame@host/?heartbeat=often"])
async def test_an_address_that_cannot_be_read_is_told_without_its_password(url: str, options: BrokerOptions) -> None:
    with pytest.raises(ConfigurationError) as failure:
        await connect(url, options)
    assert "opensesame" not in str(failure.value)
