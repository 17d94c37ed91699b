"""What is said to a video process and by it comes out as it went in; anything else is refused."""

from __future__ import annotations

import math

import pytest

from worker.detection import Box
from worker.video.orders import Orders
from worker.video.sampling import Sampling
from worker.video.wire import VIDEO, Drawn, Ended, Finish, Frame, Message, Next, Opened, Rejected, Seen
from worker.wire import LENGTHS, Ready, Unusable

BOX = Box("cat", 0.5, 1, 2, 3, 4)
MESSAGES = [
    Ready(),
    Unusable("nothing there"),
    Next(),
    Seen((BOX, BOX)),
    Seen(()),
    Finish(),
    Opened(640, 480, 25.0, 1.5, 38, annotated=True),
    Opened(640, 480, 0.0, None, 0, annotated=False),
    Frame(0.04, 0.001, b"\x00\xff picture"),
    Ended(),
    Rejected("VIDEO_INVALID", "no"),
    Drawn(1000, 0.5),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_messages_come_out_as_they_went_in(message: Message) -> None:
    frame = VIDEO.encode(message)
    head, body = LENGTHS.unpack(frame[: LENGTHS.size])
    assert len(frame) == LENGTHS.size + head + body
    assert VIDEO.decode(frame[LENGTHS.size : LENGTHS.size + head], frame[LENGTHS.size + head :]) == message


@pytest.mark.parametrize(
    "head", [b"", b"{}", b'["Frame"]', b'["Frame", {}]', b'["Stranger", {}]', b'["Next", {"a": 1}]', b"\xff"]
)
def test_anything_else_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        VIDEO.decode(head, b"")


@pytest.mark.parametrize("sampling", [Sampling(0.0, math.inf, 5.0), Sampling(0.1, 2.5, 1 / 3)])
def test_orders_survive_the_command_line(sampling: Sampling) -> None:
    orders = Orders(3, 2**31, 10**6, 100, 7, -1, sampling)
    assert Orders.parse(orders.arguments()) == orders
    assert (orders.files, orders.with_socket(9).socket_fd) == ([7], 9)
