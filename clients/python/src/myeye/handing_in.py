"""Everything that a job is to look at, to the inputs of one request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

from myeye.carriage import SURE_BYTES, UPLOAD_FROM_BYTES, carried, room_of
from myeye.content import Content, OpenFile
from myeye.errors import NotFound
from myeye.pictures import Source
from myeye.submission import SubmitOptions, submit_request
from myeye.upload import Told
from myeye.v1.capabilities_pb2 import Limits
from myeye.v1.detection_service_pb2 import SubmitRequest, SubmitResponse
from myeye.v1.job_pb2 import Input, Job
from myeye.v1.upload_pb2 import Upload

UploadProgress: TypeAlias = Callable[[str, int, int], None]
"""Is told the name of what is uploaded, how many bytes were sent, and of how many."""


class Uploader(Protocol):
    """Uploads something, as `AsyncClient.upload` does."""

    async def __call__(self, content: Content, *, progress: Told | None = None) -> Upload: ...


@dataclass(slots=True)
class HandingIn:
    """Uploads what does not ride in the request. `uploaded` tells whether there was any."""

    sources: Sequence[Source]
    limits: Callable[[], Awaitable[Limits]]
    upload: Uploader
    progress: UploadProgress | None
    uploaded: bool = False

    async def inputs(self) -> list[Input]:
        """Make the inputs, in order.

        Raises:
            OSError: a file cannot be read.
            MyeyeError: an upload has failed.
        """
        sizes = [source.size for source in self.sources]
        room = room_of(await self.limits()) if sum(sizes) > SURE_BYTES else UPLOAD_FROM_BYTES
        return [
            await self._read(source) if rides or isinstance(source.content, str) else await self._uploaded(source)
            for source, rides in zip(self.sources, carried(sizes, room), strict=True)
        ]

    @staticmethod
    async def _read(source: Source) -> Input:
        return await asyncio.to_thread(source.read) if isinstance(source.content, (Path, OpenFile)) else source.read()

    async def _uploaded(self, source: Source) -> Input:
        assert not isinstance(source.content, Upload | str), "these ride"
        told = partial(self.progress, source.name) if self.progress else None
        self.uploaded = True
        content = source.content.rewound() if isinstance(source.content, OpenFile) else source.content
        return Source(source.name, await self.upload(content, progress=told), 0).read()


async def hand_in(
    handing_in: HandingIn, options: SubmitOptions, accept: Callable[[SubmitRequest], Awaitable[SubmitResponse]]
) -> Job:
    """Have a job accepted, whose large pictures are uploaded before.

    Raises:
        OSError: a file cannot be read.
        MyeyeError: an upload has failed, or what `accept` raises.
    """
    request = submit_request(await handing_in.inputs(), options)
    try:
        return (await accept(request)).job
    except NotFound as error:
        if error.reason != "UPLOAD_NOT_FOUND" or not handing_in.uploaded:
            raise
    # what was there from an earlier upload of the same bytes has expired meanwhile
    request = submit_request(await handing_in.inputs(), {**options, "request_id": request.request_id})
    return (await accept(request)).job
