"""A SessionResponse, put together from parts that are serialized already."""

from __future__ import annotations

from myeye.v1.detection_service_pb2 import SessionResponse

MOST_UPDATES = 256
MOST_BYTES = 1024 * 1024
"""Past one of these a message goes out: a client takes what it holds at once."""

_ANSWER, _UPDATE = (bytes([SessionResponse.DESCRIPTOR.fields_by_name[name].number << 3 | 2]) for name in ("answers", "updates"))


class Frame:
    """Takes answers first, then updates, until it is `full`. Nothing in it: it is false."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self.updates = 0

    def __bool__(self) -> bool:
        return bool(self._parts)

    @property
    def full(self) -> bool:
        return self.updates >= MOST_UPDATES or self._size >= MOST_BYTES

    def answer(self, body: bytes) -> None:
        """Add a serialized SessionAnswer."""
        self._add(_ANSWER, body)

    def update(self, body: bytes) -> None:
        """Add a serialized SessionUpdate."""
        self._add(_UPDATE, body)
        self.updates += 1

    def _add(self, tag: bytes, body: bytes) -> None:
        self._parts += (tag, _varint(len(body)), body)
        self._size += len(body)

    def serialize(self) -> bytes:
        """Give the message: fields may be joined end to end."""
        return b"".join(self._parts)


def _varint(number: int) -> bytes:
    """Write a length as protobuf does: seven bits a byte, the lowest first, and a high bit on all but the last."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
