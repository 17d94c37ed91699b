"""What rides in a request itself, and what is uploaded before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from myeye.channel import MAX_MESSAGE_BYTES
from myeye.v1.capabilities_pb2 import Limits

OPTIONS_BYTES = 16_384
"""Room for all of a request that is not pictures."""
INPUT_BYTES = 1_200
"""Room for all of one picture that is not its bytes: its name, at the longest, and the id of one that was uploaded."""
UPLOAD_FROM_BYTES = 8 * 1024 * 1024
"""What is this large is always uploaded: a cut then costs the rest of it and not all."""
SURE_BYTES = 3 * 1024 * 1024
"""Fits every service's messages: nobody sets less than gRPC itself does."""


def room_of(limits: Limits) -> int:
    """Say how many bytes of pictures a request may carry."""
    return min(limits.max_message_bytes or MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES) - OPTIONS_BYTES


def is_uploaded(size: int, room: int) -> bool:
    """Tell whether a picture of this size is uploaded even if it comes alone."""
    return size >= UPLOAD_FROM_BYTES or size + INPUT_BYTES > room


def carried(sizes: Iterable[int], room: int) -> Iterator[bool]:
    """Tell of each picture, in order, whether it rides in the request."""
    for size in sizes:
        rides = not is_uploaded(size, room)
        room -= size + INPUT_BYTES if rides else INPUT_BYTES
        yield rides
