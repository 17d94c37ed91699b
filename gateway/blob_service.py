"""BlobService: messages to values, one use case each, and values to messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from dispatch.codec import timestamp
from gateway.download import Downloads
from gateway.errors import InvalidRequest, Violation
from gateway.identity.caller import Context, principal_of
from gateway.traffic import Traffic
from gateway.upload_state import UploadState
from gateway.upload_target import Target
from gateway.uploads import Uploads
from myeye.v1 import blob_service_pb2 as pb
from myeye.v1 import upload_pb2
from myeye.v1.blob_service_pb2_grpc import BlobServiceServicer

NAME: str = pb.DESCRIPTOR.services_by_name["BlobService"].full_name


class BlobService(BlobServiceServicer):
    """The public face of the pictures and videos."""

    def __init__(self, uploads: Uploads, downloads: Downloads, traffic: Traffic, *, upload_ttl_ns: int) -> None:
        self._uploads = uploads
        self._downloads = downloads
        self._traffic = traffic
        self._upload_ttl_ns = upload_ttl_ns

    async def Upload(self, request_iterator: AsyncIterator[pb.UploadRequest], context: Context) -> pb.UploadResponse:
        principal = principal_of(context).name
        with self._traffic.uploading(principal):
            messages = aiter(request_iterator)
            target = await _first(messages)
            state = await self._uploads.receive(principal, target, _data(messages))
        return pb.UploadResponse(upload=self._told(target.upload_id, state))

    async def UploadImage(self, request: pb.UploadImageRequest, context: Context) -> pb.UploadImageResponse:
        target = Target(request.upload_id, request.size_bytes, request.sha256, request.offset)
        principal = principal_of(context).name
        with self._traffic.uploading(principal):
            state = await self._uploads.receive(principal, target, _once(request.piece.data))
        return pb.UploadImageResponse(upload=self._told(target.upload_id, state))

    async def GetUpload(self, request: pb.GetUploadRequest, context: Context) -> pb.GetUploadResponse:
        state = await self._uploads.get(principal_of(context).name, request.upload_id)
        return pb.GetUploadResponse(upload=self._told(request.upload_id, state))

    async def DownloadInput(self, request: pb.DownloadInputRequest, context: Context) -> AsyncIterator[pb.DownloadInputResponse]:
        async with aclosing(self._downloads.input(principal_of(context), request.job_id, request.item)) as bodies:
            async for body in bodies:
                yield pb.DownloadInputResponse(body=body)

    async def DownloadAnnotated(
        self, request: pb.DownloadAnnotatedRequest, context: Context
    ) -> AsyncIterator[pb.DownloadAnnotatedResponse]:
        async with aclosing(self._downloads.annotated(principal_of(context), request.job_id, request.item)) as bodies:
            async for body in bodies:
                yield pb.DownloadAnnotatedResponse(body=body)

    def _told(self, upload_id: str, state: UploadState) -> upload_pb2.Upload:
        told = upload_pb2.Upload(id=upload_id, size_bytes=state.size, received_bytes=state.received, complete=state.complete)
        if state.received:
            told.expire_time.CopyFrom(timestamp(state.modified_ns + self._upload_ttl_ns))
        return told


async def _first(messages: AsyncIterator[pb.UploadRequest]) -> Target:
    message = await anext(messages, pb.UploadRequest())
    if not message.HasField("target"):
        raise InvalidRequest(Violation("target", "must be the first message"))
    target = message.target
    return Target(target.upload_id, target.size_bytes, target.sha256, target.offset)


async def _data(messages: AsyncIterator[pb.UploadRequest]) -> AsyncIterator[bytes]:
    async for message in messages:
        if message.HasField("target"):
            raise InvalidRequest(Violation("target", "must be the first message only"))
        yield message.data


async def _once(piece: bytes) -> AsyncIterator[bytes]:
    yield piece
