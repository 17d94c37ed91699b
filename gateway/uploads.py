"""Uploads: bytes that are handed in before their jobs, in as many calls as it takes, on whatever gateways.

All that is known of an upload stands in the blob store, see `gateway.upload_state`: a gateway that dies takes nothing with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from dispatch.errors import BlobNotFound
from dispatch.ports import BlobStore
from gateway.errors import (
    InvalidRequest,
    Unavailable,
    UploadCorrupt,
    UploadIdReused,
    UploadIncomplete,
    UploadNotFound,
    UploadOffsetOutOfRange,
    Violation,
)
from gateway.limits import Limits
from gateway.upload_intake import Intake
from gateway.upload_state import DONE, UploadState, read_states
from gateway.upload_target import Target, check_target, malformed_id, upload_folder
from gateway.upload_whole import Whole, WrongHash, make_whole

log = logging.getLogger(__name__)

Room = Callable[[str, str, int], AbstractAsyncContextManager[None]]
"""Keeps room for an upload that begins: whose, where its blobs lie, and its size in bytes. Raises Exhausted if there is none."""


@asynccontextmanager
async def _unlimited(principal: str, folder: str, size: int) -> AsyncIterator[None]:  # noqa: ARG001 - a Room
    yield


class Uploads:
    """The uploads of all principals. Every look-up names the principal: another's upload is not found."""

    def __init__(self, blobs: BlobStore, limits: Limits, room: Room = _unlimited) -> None:
        self._blobs = blobs
        self._limits = limits
        self._room = room
        self._receiving: set[asyncio.Task[Any]] = set()
        self._closing = ""
        self._finishing: dict[str, asyncio.Task[None]] = {}
        self._keeping: set[asyncio.Task[None]] = set()

    async def get(self, principal: str, upload_id: str) -> UploadState:
        """Tell how far an upload is.

        Raises:
            InvalidRequest: that cannot be the id of an upload.
            UploadNotFound: there is none.
            BlobUnavailable: the blob store did not answer.
        """
        if violations := tuple(malformed_id("upload_id", upload_id)):
            raise InvalidRequest(*violations)
        states = await self._states(principal, upload_id)
        if not states:
            raise UploadNotFound(upload_id)
        return states[0]

    async def wholes(self, principal: str, upload_ids: Collection[str]) -> Mapping[str, Whole]:
        """Give complete uploads by their ids.

        Raises:
            UploadNotFound, UploadIncomplete: of the first that is missing or not complete.
            BlobUnavailable: the blob store did not answer.
        """
        ids = list(dict.fromkeys(upload_ids))
        found = await asyncio.gather(*(self._whole(principal, upload_id) for upload_id in ids))
        return dict(zip(ids, found, strict=True))

    async def receive(self, principal: str, target: Target, chunks: AsyncIterator[bytes]) -> UploadState:
        """Take the bytes of one call, and tell how far the upload is then. Whatever ends the call, what came is kept.

        Raises:
            InvalidRequest, UploadOffsetOutOfRange, UploadIdReused: the call is wrong.
            Exhausted: there is no room for an upload that would begin.
            UploadCorrupt: the whole has not the hash that was announced, and was removed.
            BlobUnavailable, Unavailable: not all could be stored; go on with what `get` tells.
        """
        check_target(target, self._limits)
        state = await self._begin(principal, target)
        if target.offset > state.received:
            raise UploadOffsetOutOfRange(target.upload_id, target.offset, state.received)
        async with self._room_for(principal, target, state):
            await self._take(target, Intake(self._blobs, state, target.offset), chunks)
        state = await self._begin(principal, target)
        if state.received == target.size and not state.complete:
            state = await self._complete(principal, target, state)
        return state

    def close(self, why: str) -> None:
        """End the calls under way, which keep what came, and refuse new ones."""
        self._closing = why
        for task in self._receiving:
            task.cancel()

    async def settle(self) -> None:
        """Return when nothing goes on any more: for the end, when there are no calls."""
        for task in self._finishing.values():
            task.cancel()
        await asyncio.gather(*self._keeping, *self._finishing.values(), return_exceptions=True)

    async def _states(self, principal: str, upload_id: str) -> list[UploadState]:
        folder = upload_folder(principal, upload_id)
        return read_states(folder, await self._blobs.list(folder))

    async def _whole(self, principal: str, upload_id: str) -> Whole:
        state = await self.get(principal, upload_id)
        if not state.complete:
            raise UploadIncomplete(upload_id, state.received, state.size)
        try:
            return Whole.decode(await self._blobs.get(f"{state.folder}{DONE}"))
        except BlobNotFound as error:
            raise UploadNotFound(upload_id) from error

    async def _begin(self, principal: str, target: Target) -> UploadState:
        folder = f"{upload_folder(principal, target.upload_id)}{target.what}/"
        states = await self._states(principal, target.upload_id)
        if not states:
            return UploadState(folder, target.size, target.sha256)
        if states[0].folder != folder:
            raise UploadIdReused(target.upload_id)
        return states[0]

    def _room_for(self, principal: str, target: Target, state: UploadState) -> AbstractAsyncContextManager[None]:
        """Ask for room when an upload begins: whoever was let in may go on to the end."""
        begins = not state.complete and not state.chain
        return self._room(principal, state.folder, target.size) if begins else nullcontext()

    async def _take(self, target: Target, intake: Intake, chunks: AsyncIterator[bytes]) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._receiving.add(task)
        try:
            if self._closing:
                raise Unavailable("DRAINING", self._closing)
            async for chunk in chunks:
                if intake.position + len(chunk) > target.size:
                    raise InvalidRequest(Violation("data", f"must not reach beyond the {target.size} bytes of size_bytes"))
                await intake.take(chunk)
        except asyncio.CancelledError as error:
            if self._closing and task.uncancel() == 0:
                raise Unavailable("DRAINING", self._closing) from error
            raise
        finally:
            self._receiving.discard(task)
            await asyncio.shield(self._keep(intake))

    def _keep(self, intake: Intake) -> asyncio.Task[None]:
        """Store what is left even when the call is ended meanwhile."""
        keeping = asyncio.ensure_future(intake.keep())
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)
        return keeping

    async def _complete(self, principal: str, target: Target, state: UploadState) -> UploadState:
        """Make the whole, once on this gateway whoever asks, and to its end even if nobody waits for it any more."""
        finishing = self._finishing.get(state.folder)
        if finishing is None:
            finishing = self._finishing[state.folder] = asyncio.ensure_future(self._finish(state))
            finishing.add_done_callback(lambda done: self._finished(state.folder, done))
        try:
            await asyncio.shield(finishing)
        except WrongHash as error:
            raise UploadCorrupt(target.upload_id) from error
        return await self._begin(principal, target)

    async def _finish(self, state: UploadState) -> None:
        try:
            await make_whole(self._blobs, state)
        except BlobNotFound as error:
            log.info("upload below %s is being completed by another call: %s", state.folder, error)
        except WrongHash:
            await self._blobs.delete_prefix(state.folder)
            raise

    def _finished(self, folder: str, finishing: asyncio.Task[None]) -> None:
        del self._finishing[folder]
        if not finishing.cancelled() and (error := finishing.exception()):
            log.warning("upload below %s could not be completed: %r", folder, error)
