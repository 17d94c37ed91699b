"""Download: the bytes of an item's picture or video, as it was handed in or with the boxes drawn."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from google.api.httpbody_pb2 import HttpBody

from dispatch.errors import BlobNotFound
from dispatch.lifecycle import Item, State
from dispatch.media_type import media_type
from dispatch.ports import BlobStore
from dispatch.v1.event_pb2 import JobSpec
from gateway.errors import AnnotatedNotFound, ItemNotFound, PictureNotFound
from gateway.identity.principal import Principal
from gateway.order import annotated_blob
from gateway.store import Store
from myeye.v1.job_pb2 import VideoResult


class Downloads:
    """Reads pictures of a principal's jobs."""

    def __init__(self, store: Store, blobs: BlobStore) -> None:
        self._store = store
        self._blobs = blobs

    async def input(self, principal: Principal, job_id: str, index: int) -> AsyncGenerator[HttpBody, None]:
        """Yield an item's picture as it was handed in.

        Raises:
            JobNotFound, JobPurged, ItemNotFound, PictureNotFound: there is none.
            BlobUnavailable: the blob store did not answer, maybe after some of the bytes.
        """
        _, spec = await self._item(principal, job_id, index)
        async with aclosing(self._read(spec.inputs[index].blob)) as bodies:
            async for body in bodies:
                yield body

    async def annotated(self, principal: Principal, job_id: str, index: int) -> AsyncGenerator[HttpBody, None]:
        """Yield an item's picture with the boxes drawn.

        Raises:
            AnnotatedNotFound: none was asked for, the item has not succeeded, or the worker had no codec for a video.
            Otherwise as `input`.
        """
        item, spec = await self._item(principal, job_id, index, lambda item: item.state.terminal)
        if why := _missing(item, spec):
            raise AnnotatedNotFound(job_id, index, item.state, why)
        async with aclosing(self._read(annotated_blob(spec.inputs[index].blob))) as bodies:
            async for body in bodies:
                yield body

    async def _item(
        self, principal: Principal, job_id: str, index: int, enough: Callable[[Item], bool] = lambda _: True
    ) -> tuple[Item, JobSpec]:
        job = await self._store.get(principal, job_id, lambda job: all(map(enough, job.items[index : index + 1])))
        if not 0 <= index < len(job.items):
            raise ItemNotFound(job_id, index, len(job.items))
        return job.items[index], JobSpec.FromString(job.spec.body)

    async def _read(self, blob: str) -> AsyncGenerator[HttpBody, None]:
        content_type = ""
        try:
            async with aclosing(self._blobs.read(blob)) as chunks:
                async for chunk in chunks:
                    content_type = content_type or media_type(chunk)
                    yield HttpBody(content_type=content_type, data=chunk)
        except BlobNotFound as error:
            raise PictureNotFound from error


def _missing(item: Item, spec: JobSpec) -> str:
    """Say why there is nothing with the boxes drawn; empty when there is."""
    if not spec.annotate:
        return "the job was submitted without annotate"
    if item.state is not State.SUCCEEDED:
        return f"the item is {item.state.name}"
    if item.video and not VideoResult.FromString(item.video).annotated:
        return "the worker had no codec for it"
    return ""
