"""What every work queue must do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from dispatch.connect import connect
from dispatch.errors import QueueFull
from dispatch.options import BrokerOptions
from dispatch.ports import Broker, Consumer, Delivery, Kind, Lane, Queue
from harness.process import Process

QUEUE = Queue("model", Lane.NORMAL)
LIMIT_S = 30.0
MANY = 1000


async def take(consumer: Consumer, count: int) -> list[Delivery]:
    deliveries = aiter(consumer)
    async with asyncio.timeout(LIMIT_S):
        return [await anext(deliveries) for _ in range(count)]


async def take_one(consumer: Consumer) -> Delivery:
    (delivery,) = await take(consumer, 1)
    return delivery


async def publish(broker: Broker, *bodies: bytes) -> None:
    for body in bodies:
        await broker.tasks.publish(QUEUE, body)


async def await_depth(broker: Broker, depth: int) -> None:
    async with asyncio.timeout(LIMIT_S):
        while await broker.tasks.depth(QUEUE) != depth:
            pass


async def test_what_is_published_is_delivered(broker: Broker) -> None:
    await publish(broker, b"a")
    async with broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        delivery = await take_one(consumer)
    assert (delivery.body, delivery.queue, delivery.redelivered, delivery.reason) == (b"a", QUEUE, False, "")


async def test_a_consumer_that_waits_gets_what_is_published_later(broker: Broker, another_broker: Broker) -> None:
    async with broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        waiting = asyncio.create_task(take_one(consumer))
        await publish(another_broker, b"later")
        assert (await waiting).body == b"later"


async def test_an_acked_task_is_gone(broker: Broker, another_broker: Broker) -> None:
    await publish(broker, b"a", b"b")
    async with broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        await (await take_one(consumer)).ack()
    async with another_broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        assert (await take_one(consumer)).body == b"b"


async def test_leaving_gives_back_what_is_held(broker: Broker, another_broker: Broker) -> None:
    await publish(broker, b"a")
    async with broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        await take_one(consumer)
    async with another_broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        delivery = await take_one(consumer)
    assert (delivery.body, delivery.redelivered) == (b"a", True)


async def test_the_task_of_a_killed_process_goes_to_another(broker: Broker, other_process: Callable[[str], Process]) -> None:
    await publish(broker, b"a")
    holder = other_process("hold")
    await asyncio.to_thread(holder.wait_for, "holds a", LIMIT_S)
    async with broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        holder.kill()
        delivery = await take_one(consumer)
    assert (delivery.body, delivery.redelivered) == (b"a", True)


async def test_a_consumer_holds_no_more_than_its_prefetch(broker: Broker, another_broker: Broker) -> None:
    async with broker.tasks.consume([QUEUE], prefetch=2) as one:
        await publish(broker, *(b"%d" % number for number in range(6)))
        held = await take(one, 2)
        async with another_broker.tasks.consume([QUEUE], prefetch=10) as two:
            rest = await take(two, 4)
    assert sorted(delivery.body for delivery in [*held, *rest]) == [b"0", b"1", b"2", b"3", b"4", b"5"]


async def test_an_ack_makes_room_for_the_next(broker: Broker) -> None:
    await publish(broker, b"a", b"b", b"c")
    async with broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        bodies = []
        for _ in range(3):
            delivery = await take_one(consumer)
            bodies.append(delivery.body)
            await delivery.ack()
    assert bodies == [b"a", b"b", b"c"]


async def test_the_prefetch_is_for_each_queue(broker: Broker) -> None:
    high = Queue("model", Lane.HIGH)
    for queue in (QUEUE, QUEUE, high):
        await broker.tasks.publish(queue, b"a")
    async with broker.tasks.consume([QUEUE, high], prefetch=1) as consumer:
        queues = {delivery.queue for delivery in await take(consumer, 2)}
    assert queues == {QUEUE, high}


async def test_competing_consumers_share_and_none_gets_what_another_holds(broker: Broker, another_broker: Broker) -> None:
    bodies = [b"%02d" % number for number in range(20)]
    await publish(broker, *bodies)
    async with (
        broker.tasks.consume([QUEUE], prefetch=10) as one,
        another_broker.tasks.consume([QUEUE], prefetch=10) as two,
    ):
        taken = await asyncio.gather(take(one, 10), take(two, 10))
    assert sorted(delivery.body for part in taken for delivery in part) == bodies


async def test_tasks_come_in_the_order_of_publishing(broker: Broker) -> None:
    bodies = [b"%03d" % number for number in range(100)]
    await publish(broker, *bodies)
    async with broker.tasks.consume([QUEUE], prefetch=100) as consumer:
        assert [delivery.body for delivery in await take(consumer, 100)] == bodies


@pytest.mark.parametrize(
    "other",
    [
        Queue("model", Lane.LOW),
        Queue("another", Lane.NORMAL),
        Queue("model", Lane.NORMAL, Kind.VIDEO),
        Queue("model", Lane.NORMAL, Kind.REMOTE),
        Queue("model", Lane.NORMAL, share=1),
    ],
    ids=["lane", "model", "video", "remote", "share"],
)
async def test_each_lane_model_kind_and_share_is_a_queue_of_its_own(broker: Broker, other: Queue) -> None:
    await broker.tasks.publish(other, b"other")
    await broker.tasks.publish(QUEUE, b"ours")
    async with broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        assert (await take_one(consumer)).body == b"ours"
    async with broker.tasks.consume([other], prefetch=1) as consumer:
        assert (await take_one(consumer)).body == b"other"


async def test_a_delayed_task_comes_after_those_that_are_due_before(broker: Broker) -> None:
    await broker.tasks.publish(QUEUE, b"delayed", delay_s=1.0)
    await publish(broker, b"at once")
    async with broker.tasks.consume([QUEUE], prefetch=2) as consumer:
        assert [delivery.body for delivery in await take(consumer, 2)] == [b"at once", b"delayed"]


async def test_a_released_task_goes_to_another(broker: Broker, another_broker: Broker) -> None:
    await publish(broker, b"a")
    async with broker.tasks.consume([QUEUE], prefetch=1) as one:
        delivery = await take_one(one)
        await one.stop()
        await delivery.release()
        async with another_broker.tasks.consume([QUEUE], prefetch=1) as two:
            assert (await take_one(two)).body == b"a"


async def test_a_rejected_task_is_a_dead_letter(broker: Broker, another_broker: Broker) -> None:
    await publish(broker, b"bad")
    async with broker.tasks.consume([QUEUE], prefetch=1) as consumer, another_broker.tasks.dead_letters(prefetch=1) as dead:
        await (await take_one(consumer)).reject()
        letter = await take_one(dead)
    assert (letter.body, letter.queue, letter.reason) == (b"bad", None, "rejected")


async def test_a_dead_letter_stays_until_it_is_acked(broker: Broker) -> None:
    await publish(broker, b"first", b"second")
    async with broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        for _ in range(2):
            await (await take_one(consumer)).reject()
    async with broker.tasks.dead_letters(prefetch=1) as dead:
        await take_one(dead)
    async with broker.tasks.dead_letters(prefetch=1) as dead:
        again = await take_one(dead)
        await again.ack()
        assert [again.body, (await take_one(dead)).body] == [b"first", b"second"]


async def test_a_task_that_is_never_settled_is_a_dead_letter_at_last(broker_url: str, options: BrokerOptions) -> None:
    broker = await connect(broker_url, replace(options, delivery_limit=2))
    await publish(broker, b"poison")
    deliveries = 0
    async with asyncio.timeout(LIMIT_S), broker.tasks.dead_letters(prefetch=1) as dead:
        letter = asyncio.create_task(take_one(dead))
        while not letter.done():
            async with broker.tasks.consume([QUEUE], prefetch=1) as consumer:
                delivery = asyncio.create_task(take_one(consumer))
                await asyncio.wait({letter, delivery}, return_when=asyncio.FIRST_COMPLETED)
                deliveries += delivery.done()
                delivery.cancel()
        found = await letter
    await broker.close()
    assert (found.body, found.reason) == (b"poison", "delivery_limit")
    assert deliveries >= 2


async def test_a_full_queue_refuses_and_keeps_nothing_of_it(broker_url: str, options: BrokerOptions) -> None:
    broker = await connect(broker_url, replace(options, max_queue_length=3))
    accepted = await publish_until_full(broker)
    assert 3 <= len(accepted) < MANY
    async with broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        for body in accepted:
            delivery = await take_one(consumer)
            assert delivery.body == body
            await delivery.ack()
        await publish_when_there_is_room(broker, b"last")
        assert (await take_one(consumer)).body == b"last"
    await broker.close()


async def publish_until_full(broker: Broker) -> list[bytes]:
    accepted: list[bytes] = []
    for number in range(MANY):
        try:
            await publish(broker, b"%d" % number)
        except QueueFull:
            break
        accepted.append(b"%d" % number)
    return accepted


async def publish_when_there_is_room(broker: Broker, body: bytes) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            try:
                return await publish(broker, body)
            except QueueFull:
                await asyncio.sleep(0)


async def test_stop_ends_the_iteration_but_acks_still_count(broker: Broker, another_broker: Broker) -> None:
    await publish(broker, b"a", b"b", b"c")
    async with broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        delivery = await take_one(consumer)
        await consumer.stop()
        assert [late.body async for late in consumer] == []
        await delivery.ack()
    async with another_broker.tasks.consume([QUEUE], prefetch=2) as consumer:
        assert [rest.body for rest in await take(consumer, 2)] == [b"b", b"c"]


async def test_stop_wakes_who_waits_for_a_task(broker: Broker) -> None:
    async with asyncio.timeout(LIMIT_S), broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        waiting = asyncio.create_task(take_one(consumer))
        await asyncio.sleep(0)
        await consumer.stop()
        with pytest.raises(StopAsyncIteration):
            await waiting


async def test_settling_twice_or_after_leaving_does_nothing(broker: Broker, another_broker: Broker) -> None:
    await publish(broker, b"a", b"b")
    async with broker.tasks.consume([QUEUE], prefetch=2) as consumer:
        acked, left = await take(consumer, 2)
        await acked.ack()
        await acked.reject()
    await left.ack()
    async with another_broker.tasks.consume([QUEUE], prefetch=2) as consumer:
        again = await take_one(consumer)
        assert again.body == b"b"
        await left.reject()
        await again.ack()
    await await_depth(broker, 0)


async def test_tasks_survive_close_and_reopen(broker_url: str, options: BrokerOptions) -> None:
    broker = await connect(broker_url, options)
    await publish(broker, b"a", b"b")
    await broker.close()
    broker = await connect(broker_url, options)
    async with broker.tasks.consume([QUEUE], prefetch=2) as consumer:
        assert [delivery.body for delivery in await take(consumer, 2)] == [b"a", b"b"]
    await broker.close()


@pytest.mark.parametrize("body", [b"", bytes(range(256)), bytes(range(256)) * 400], ids=["empty", "all bytes", "100 KB"])
async def test_bodies_are_any_bytes(broker: Broker, body: bytes) -> None:
    await publish(broker, body)
    async with broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        assert (await take_one(consumer)).body == body


async def test_the_depth_leaves_out_held_and_delayed_tasks(broker: Broker) -> None:
    await publish(broker, b"a", b"b", b"c")
    await broker.tasks.publish(QUEUE, b"delayed", delay_s=3600)
    async with broker.tasks.consume([QUEUE], prefetch=1) as consumer:
        delivery = await take_one(consumer)
        await await_depth(broker, 2)
        await consumer.stop()
        await delivery.ack()
        await await_depth(broker, 2)


async def test_the_depth_of_a_queue_that_was_never_used_is_zero(broker: Broker) -> None:
    assert await broker.tasks.depth(Queue("model", Lane.HIGH)) == 0


async def test_many_may_publish_at_once(broker: Broker) -> None:
    bodies = {b"%d" % number for number in range(300)}
    await asyncio.gather(*(publish(broker, body) for body in bodies))
    async with broker.tasks.consume([QUEUE], prefetch=300) as consumer:
        assert {delivery.body for delivery in await take(consumer, 300)} == bodies
