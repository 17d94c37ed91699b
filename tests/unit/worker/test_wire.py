"""What the pool and a detector process say to each other comes out as it went in."""

from __future__ import annotations

import pytest

from worker.detection import Box, DetectOutcome, DetectRequest, Stage
from worker.wire import LENGTHS, Broke, Entered, Found, Look, Message, Ready, Rejected, Unusable, decode, encode

REQUEST = DetectRequest(b"\xff\xd8\x00", 0.25, 7, ("cat", "Hündin"), (), annotate=True)
OUTCOME = DetectOutcome(640, 480, (Box("cat", 0.1 + 0.2, 1, 2, 3, 4), Box("dog", 0.5, 5, 6, 7, 8)), b"\x00drawn", 0.1, 0.2, 0.3)


def parts(frame: bytes) -> tuple[bytes, bytes]:
    head, body = LENGTHS.unpack_from(frame)
    assert len(frame) == LENGTHS.size + head + body
    return frame[LENGTHS.size : LENGTHS.size + head], frame[LENGTHS.size + head :]


@pytest.mark.parametrize(
    "message",
    [
        Look(3, REQUEST),
        Look(4, DetectRequest(b"", None, 1, (), ("dog",), annotate=False)),
        Ready(),
        Unusable("libGL.so.1 is missing"),
        Entered(5, Stage.DETECTING),
        Found(6, OUTCOME),
        Rejected(7, "IMAGE_INVALID", "damaged"),
        Broke(8),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_survives_the_wire(message: Message) -> None:
    assert decode(*parts(encode(message))) == message


def test_a_picture_travels_as_plain_bytes() -> None:
    _, body = parts(encode(Look(1, REQUEST)))
    assert body == REQUEST.picture


@pytest.mark.parametrize(
    "head",
    [b"", b"\xff", b"{}", b"[]", b'["Look"]', b'["Look", {}]', b'["Eval", {}]', b'["Found", {"number": 1, "outcome": 3}]', b"3"],
)
def test_what_is_no_message_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - several libraries find the fault, each in its own words
        decode(head, b"")


def test_no_repr_shows_a_picture() -> None:
    assert "drawn" not in repr(Found(1, OUTCOME))
    assert "xff" not in repr(Look(1, REQUEST))
