"""Uploading the bytes of one picture or video, across as many streams as it takes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import grpc

from myeye.backoff import Backoff
from myeye.errors import MyeyeError, Unavailable, from_rpc_error
from myeye.stream import Patience
from myeye.tracing import trace_metadata
from myeye.v1.blob_service_pb2 import UploadImageRequest, UploadRequest
from myeye.v1.upload_pb2 import Upload, UploadTarget

if TYPE_CHECKING:  # a name of the stubs, not of the generated code
    from myeye.v1.blob_service_pb2_grpc import BlobServiceAsyncStub

Told: TypeAlias = Callable[[int, int], None]
"""Is told how many bytes were sent, of how many."""

MESSAGE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Announcement:
    """What is to be uploaded: a file from `start` on, its size and its hash in hexadecimal.

    The hash is the upload's id: the same bytes are the same upload, so one that was cut, even together with its program, goes on.
    """

    file: BinaryIO
    start: int
    size: int
    sha256: str

    def target(self, offset: int) -> UploadTarget:
        return UploadTarget(upload_id=self.sha256, size_bytes=self.size, sha256=self.sha256, offset=offset)

    def read(self, offset: int) -> bytes:
        """Read what one message carries; empty at the end."""
        self.file.seek(self.start + offset)
        return self.file.read(min(MESSAGE_BYTES, self.size - offset))


def announce(file: BinaryIO) -> Announcement:
    """Read a file once, to say what it is."""
    start = file.tell()
    sha256 = hashlib.sha256()
    while read := file.read(MESSAGE_BYTES):
        sha256.update(read)
    return Announcement(file, start, file.tell() - start, sha256.hexdigest())


@dataclass(frozen=True, slots=True)
class Uploading:
    """Hands in what was announced."""

    stub: BlobServiceAsyncStub
    announced: Announcement
    patience: Patience
    told: Told

    async def run(self) -> Upload:
        """Return when the upload is complete; whenever a stream breaks, go on with what the service has not yet.

        Raises:
            MyeyeError: the service refuses it, or was not reached for too long.
        """
        backoff = Backoff(self.patience.call_s)
        most: int | None = None
        while True:
            sending = False
            try:
                upload = await self._received()
                if most is None or upload.received_bytes > most:
                    most, backoff = upload.received_bytes, Backoff(self.patience.resume_s)
                if not upload.complete:
                    sending = True
                    upload = await self._send(upload.received_bytes)
                if upload.complete:
                    self.told(self.announced.size, self.announced.size)
                    return upload
                raise Unavailable("the service has not all of the upload", code=grpc.StatusCode.UNAVAILABLE)
            except MyeyeError as failure:
                # the token's time is up: its file may have another by now, or else the next look is refused
                expired = sending and failure.code is grpc.StatusCode.UNAUTHENTICATED
                again = failure.transient or expired or failure.reason == "UPLOAD_OFFSET"
                if not again or not await backoff.pause(failure):
                    raise

    async def _received(self) -> Upload:
        """Send a piece without bytes: it tells how far the upload is, completes what lacks nothing else, or refuses all of it.

        Of a stream that is refused while it is written to, grpc.aio may forget why.
        """
        upload_id, size, sha256 = self.announced.sha256, self.announced.size, self.announced.sha256
        request = UploadImageRequest(upload_id=upload_id, size_bytes=size, sha256=sha256)
        try:
            return (await self.stub.UploadImage(request, timeout=self.patience.silence_s)).upload
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    async def _send(self, offset: int) -> Upload:
        """Stream what follows `offset` and wait for the answer, as long as something moves."""
        call = self.stub.Upload(metadata=trace_metadata())
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(self.patience.silence_s) as limit:
                with suppress(asyncio.InvalidStateError):  # it has ended early: the answer says why
                    await call.write(UploadRequest(target=self.announced.target(offset)))
                    while data := await asyncio.to_thread(self.announced.read, offset):
                        self.told(offset, self.announced.size)
                        await call.write(UploadRequest(data=data))
                        offset += len(data)
                        limit.reschedule(now() + self.patience.silence_s)
                    await call.done_writing()
                return (await call).upload
        except TimeoutError as error:
            raise Unavailable("the upload has come to a halt", code=grpc.StatusCode.DEADLINE_EXCEEDED) from error
        except grpc.aio.AioRpcError as error:
            failure = from_rpc_error(error)
            if failure.code is grpc.StatusCode.INTERNAL and not failure.reason:
                failure = Unavailable("the upload was cut", code=grpc.StatusCode.UNAVAILABLE)
            raise failure from error
        finally:
            call.cancel()
