"""BlobService: messages to values, one use case each, and values to messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from gateway.download import Downloads
from gateway.service import Context, principal_of
from myeye.v1 import blob_service_pb2 as pb
from myeye.v1.blob_service_pb2_grpc import BlobServiceServicer

NAME: str = pb.DESCRIPTOR.services_by_name["BlobService"].full_name


class BlobService(BlobServiceServicer):
    """The public face of the pictures."""

    def __init__(self, downloads: Downloads) -> None:
        self._downloads = downloads

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
