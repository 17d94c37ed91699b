"""Which task is next."""

from __future__ import annotations

from dataclasses import dataclass

from dispatch.ports import Lane, Queue
from worker.waiting import PATIENCE, Waiting


@dataclass(frozen=True)
class Held:
    """A delivery that nobody settles."""

    body: bytes
    queue: Queue | None
    redelivered: bool = False
    reason: str = ""

    async def ack(self) -> None: ...

    async def reject(self) -> None: ...

    async def release(self) -> None: ...


def waiting(*deliveries: Held) -> Waiting:
    line = Waiting()
    for delivery in deliveries:
        line.push(delivery)
    return line


def held(lane: Lane = Lane.NORMAL, share: int = 0, body: bytes = b"") -> Held:
    return Held(body, Queue("m", lane, share=share))


def test_the_most_urgent_lane_is_first_whatever_the_share() -> None:
    line = waiting(held(Lane.LOW), held(Lane.HIGH, 2), held(Lane.NORMAL, 1))
    lanes = [delivery.queue.lane for delivery in line.drain() if delivery.queue]
    assert lanes == [Lane.HIGH, Lane.NORMAL, Lane.LOW]


def test_within_a_share_the_order_of_arrival_holds() -> None:
    line = waiting(*(held(body=b"%d" % number) for number in range(5)))
    assert [delivery.body for delivery in line.drain()] == [b"0", b"1", b"2", b"3", b"4"]


def test_the_least_share_is_first_but_one_in_four_is_of_the_share_passed_over_for_longest() -> None:
    line = waiting(*(held(share=share) for share in (0, 1, 2) for _ in range(12)))
    shares = [delivery.queue.share for delivery in line.drain() if delivery.queue]
    assert PATIENCE == 4
    assert shares[:12] == [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1]


def test_nothing_is_next_when_nothing_waits() -> None:
    line = waiting(held())
    assert line.pop() is not None
    assert line.pop() is None
    assert list(line.drain()) == []


def test_a_delivery_from_nowhere_is_as_a_normal_one() -> None:
    line = waiting(Held(b"nowhere", None), held(Lane.LOW), held(Lane.HIGH))
    assert [delivery.body for delivery in line.drain()] == [b"", b"nowhere", b""]
