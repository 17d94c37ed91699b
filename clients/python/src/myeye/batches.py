"""Many pictures to as few jobs as the service's limits allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc

from myeye.channel import MAX_MESSAGE_BYTES
from myeye.errors import InvalidRequest
from myeye.v1.capabilities_pb2 import Limits

OPTIONS_BYTES = 16_384
"""Room for all of a request that is not pictures."""
INPUT_BYTES = 32
"""Room for the framing of one picture."""


def split(pictures: Sequence[Path], limits: Limits) -> Iterator[list[Path]]:
    """Yield groups of pictures that fit one request each, in order.

    Raises:
        InvalidRequest: a picture alone is too large.
        OSError: a file cannot be read.
    """
    room = min(limits.max_message_bytes or MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES) - OPTIONS_BYTES
    group: list[Path] = []
    used = 0
    for picture in pictures:
        size_bytes = picture.stat().st_size
        used_by_it = size_bytes + len(picture.name.encode()) + INPUT_BYTES
        if used_by_it > room:
            message = f"{picture} has {size_bytes:,} bytes; the service takes a little less than {room:,} in one request"
            raise InvalidRequest(message, code=grpc.StatusCode.INVALID_ARGUMENT)
        if group and (used + used_by_it > room or len(group) == limits.max_items_per_job):
            yield group
            group, used = [], 0
        group.append(picture)
        used += used_by_it
    if group:
        yield group
