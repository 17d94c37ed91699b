"""Many pictures to as few jobs as the service's limits allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc

from myeye.carriage import INPUT_BYTES, is_uploaded, room_of
from myeye.errors import InvalidRequest
from myeye.v1.capabilities_pb2 import Limits


def split(pictures: Sequence[Path | str], limits: Limits) -> Iterator[list[Path | str]]:
    """Yield groups of pictures that fit one request each, in order; those that are uploaded take no room.

    Raises:
        InvalidRequest: a picture alone is too large.
        OSError: a file cannot be read.
    """
    room = room_of(limits)
    group: list[Path | str] = []
    used = 0
    for picture in pictures:
        size_bytes = picture.stat().st_size if isinstance(picture, Path) else len(picture)
        if 0 < limits.max_upload_bytes < size_bytes:
            message = f"{picture} has {size_bytes:,} bytes; the service takes {limits.max_upload_bytes:,} at most"
            raise InvalidRequest(message, code=grpc.StatusCode.INVALID_ARGUMENT)
        used_by_it = INPUT_BYTES + (0 if is_uploaded(size_bytes, room) else size_bytes)
        if group and (used + used_by_it > room or len(group) == limits.max_items_per_job):
            yield group
            group, used = [], 0
        group.append(picture)
        used += used_by_it
    if group:
        yield group
