"""A small gateway behind a real port: it finishes every job at once, and fails where a test has told it to."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from myeye import AsyncClient
from myeye.v1 import blob_service_pb2 as blob_pb
from myeye.v1 import capabilities_pb2, detection_pb2, event_pb2, job_pb2
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.blob_service_pb2_grpc import BlobServiceServicer, add_BlobServiceServicer_to_server
from myeye.v1.detection_service_pb2_grpc import DetectionServiceServicer, add_DetectionServiceServicer_to_server
from myeye.v1.upload_pb2 import Upload, UploadTarget

Step = Message | status_pb2.Status | asyncio.Event
"""What a scripted stream does next: send a message, end with a status, or wait."""


def refusal(code: str, reason: str, message: str, *details: Message) -> status_pb2.Status:
    """Make a status as the gateway does; `code` is its name, as "NOT_FOUND"."""
    status = status_pb2.Status(code=code_pb2.Code.Value(code), message=message)
    for detail in (error_details_pb2.ErrorInfo(reason=reason, domain="myeye"), *details):
        status.details.add().Pack(detail)
    return status


class SmallGateway(DetectionServiceServicer):
    """Its promises are those of the contract.

    `failures` of a method are used up before it works; so are `streams` of the watches and of Session.
    """

    def __init__(self) -> None:
        self.requests: dict[str, list[Any]] = defaultdict(list)
        self.failures: dict[str, deque[status_pb2.Status]] = defaultdict(deque)
        self.streams: deque[Sequence[Step]] = deque()
        self.jobs: dict[str, job_pb2.Job] = {}
        self.job_of_request: dict[str, str] = {}
        self.limits = capabilities_pb2.Limits(max_items_per_job=3, max_message_bytes=1_000_000)
        self.item: Callable[[int, job_pb2.Input], job_pb2.Item] = found_a_dog
        self.on_wait: Callable[[], None] = lambda: None
        self.on_submit: Callable[[], None] = lambda: None
        self.called = asyncio.Event()
        self.never = asyncio.Event()

    def fail(self, method: str, code: str, reason: str = "", *details: Message) -> None:
        """Let the next call of `method` fail."""
        self.failures[method].append(self.refusal(code, reason, "told to fail", *details))

    refusal = staticmethod(refusal)

    async def answer(self, method: str, request: Any, context: Any) -> None:
        self.requests[method].append(request)
        if self.failures[method]:
            await context.abort_with_status(rpc_status.to_status(self.failures[method].popleft()))

    async def job(self, job_id: str, context: Any) -> job_pb2.Job:
        if job_id not in self.jobs:
            await context.abort_with_status(rpc_status.to_status(refusal("NOT_FOUND", "JOB_NOT_FOUND", f"no job {job_id!r}")))
        return self.jobs[job_id]

    def add(self, request: pb.SubmitRequest) -> job_pb2.Job:
        items = [self.item(index, picture) for index, picture in enumerate(request.inputs)]
        done = sum(item.state == job_pb2.STATE_SUCCEEDED for item in items)
        state = job_pb2.STATE_SUCCEEDED if done == len(items) else job_pb2.STATE_FAILED
        if 0 < done < len(items):
            state = job_pb2.STATE_PARTIALLY_SUCCEEDED
        job = job_pb2.Job(
            id=f"job{len(self.jobs)}",
            state=state,
            model=request.model or "efficientdet_lite0",
            labels=request.labels,
            items=items,
            progress=job_pb2.Progress(items_done=done, items_failed=len(items) - done, items_total=len(items)),
            last_sequence=2 + len(items),
        )
        self.jobs[job.id] = job
        self.job_of_request[request.request_id] = job.id
        return job

    async def Submit(self, request, context):
        self.on_submit()
        await self.answer("Submit", request, context)
        if request.request_id in self.job_of_request:
            return pb.SubmitResponse(job=self.jobs[self.job_of_request[request.request_id]], replayed=True)
        return pb.SubmitResponse(job=self.add(request))

    async def Watch(self, request, context):
        await self.answer("Watch", request, context)
        if self.streams:
            async for message in self.play(self.streams.popleft(), context):
                yield message
            return
        job = await self.job(request.job_id, context)
        async for message in self.play(history(job, request), context):
            yield message

    async def WatchMany(self, request, context):
        await self.answer("WatchMany", request, context)
        async for message in self.play(self.streams.popleft(), context):
            yield message

    async def Session(self, request_iterator, context):
        await self.answer("Session", None, context)
        yield pb.SessionResponse(window=pb.SessionWindow(calls=9, jobs=9, updates=9))
        async for request in request_iterator:
            self.requests["SessionRequest"].append(request)
            if not self.streams:
                submits = ((call.correlation_id, self.add(call.submit)) for call in request.calls)
                yield pb.SessionResponse(
                    answers=[pb.SessionAnswer(correlation_id=i, submit=pb.SubmitResponse(job=job)) for i, job in submits]
                )
            elif request.calls:
                self.called.set()
                async for message in self.play(self.streams.popleft(), context):
                    yield message
                return

    async def play(self, steps: Sequence[Step], context: Any) -> AsyncIterator[Message]:
        for step in steps:
            match step:
                case asyncio.Event():
                    await step.wait()
                case status_pb2.Status():
                    await context.abort_with_status(rpc_status.to_status(step))
                case _:
                    yield step

    async def Wait(self, request, context):
        await self.answer("Wait", request, context)
        answer = pb.WaitResponse(job=await self.job(request.job_id, context))
        self.on_wait()
        return answer

    async def Get(self, request, context):
        await self.answer("Get", request, context)
        return pb.GetResponse(job=await self.job(request.job_id, context))

    async def List(self, request, context):
        await self.answer("List", request, context)
        ids = list(self.jobs)
        start = int(request.page_token or 0)
        end = start + 2
        return pb.ListResponse(
            jobs=[self.jobs[job_id] for job_id in ids[start:end]], next_page_token=str(end) if end < len(ids) else ""
        )

    async def Cancel(self, request, context):
        await self.answer("Cancel", request, context)
        return pb.CancelResponse(job=await self.job(request.job_id, context))

    async def Retry(self, request, context):
        await self.answer("Retry", request, context)
        old = await self.job(request.job_id, context)
        new = job_pb2.Job()
        new.CopyFrom(old)
        new.id, new.retry_of = f"job{len(self.jobs)}", old.id
        self.jobs[new.id] = new
        return pb.RetryResponse(job=new)

    async def Delete(self, request, context):
        await self.answer("Delete", request, context)
        del self.jobs[(await self.job(request.job_id, context)).id]
        return pb.DeleteResponse()

    async def GetCapabilities(self, request, context):
        await self.answer("GetCapabilities", request, context)
        model = capabilities_pb2.ModelCapabilities(
            name="efficientdet_lite0", categories=["dog", "person"], live_workers=1, detectors=2, is_default=True
        )
        return pb.GetCapabilitiesResponse(models=[model], limits=self.limits, media_types=["image/jpeg"], version="0.1.0")


class SmallBlobs(BlobServiceServicer):
    """Gives the picture of item 0 of every job, in two pieces; `pause` and `failures` come between them, one of these a call.

    Keeps what is uploaded in `uploads`, by id; `cuts` say after how many bytes calls of Upload fail, one a call.
    """

    def __init__(self) -> None:
        self.failures: deque[status_pb2.Status] = deque()
        self.requests: list[Any] = []
        self.uploads: dict[str, bytearray] = {}
        self.targets: list[UploadTarget] = []
        self.cuts: deque[int] = deque()
        self.pause = asyncio.Event()
        self.pause.set()

    async def Upload(self, request_iterator, context):
        target = (await anext(aiter(request_iterator))).target
        self.targets.append(target)
        kept = self.uploads.setdefault(target.upload_id, bytearray())
        assert target.offset == len(kept), "the client goes on where it was told to"
        end = target.offset + self.cuts.popleft() if self.cuts else target.size_bytes
        async for message in request_iterator:
            kept += message.data[: end - len(kept)]
            if len(kept) == end < target.size_bytes:
                await context.abort_with_status(rpc_status.to_status(refusal("UNAVAILABLE", "DRAINING", "told to fail")))
        return blob_pb.UploadResponse(upload=self.told(target.upload_id, target.size_bytes))

    async def UploadImage(self, request, context):
        kept = self.uploads.setdefault(request.upload_id, bytearray())
        kept += request.piece.data
        return blob_pb.UploadImageResponse(upload=self.told(request.upload_id, request.size_bytes))

    def told(self, upload_id: str, size: int) -> Upload:
        received = len(self.uploads[upload_id])
        return Upload(id=upload_id, size_bytes=size, received_bytes=received, complete=received == size)

    def fail(self, code: str, reason: str) -> None:
        self.failures.append(refusal(code, reason, "told to fail"))

    async def DownloadInput(self, request, context):
        async for body in self.bodies(request, b"handed ", b"in", context):
            yield blob_pb.DownloadInputResponse(body=body)

    async def DownloadAnnotated(self, request, context):
        async for body in self.bodies(request, b"drawn ", b"on", context):
            yield blob_pb.DownloadAnnotatedResponse(body=body)

    async def bodies(self, request: Any, first: bytes, second: bytes, context: Any) -> AsyncIterator[HttpBody]:
        self.requests.append(request)
        yield HttpBody(content_type="image/jpeg", data=first)
        await self.pause.wait()
        if self.failures:
            await context.abort_with_status(rpc_status.to_status(self.failures.popleft()))
        yield HttpBody(content_type="image/jpeg", data=second)


def found_a_dog(index: int, picture: job_pb2.Input) -> job_pb2.Item:
    box = detection_pb2.BoundingBox(x_px=4, y_px=5, width_px=30, height_px=20)
    found = detection_pb2.Detection(category="dog", score=0.875, bounding_box=box)
    result = detection_pb2.DetectionResult(width_px=64, height_px=48, detections=[found])
    return job_pb2.Item(
        index=index, name=picture.name, state=job_pb2.STATE_SUCCEEDED, attempt=1, worker="worker-1", result=result
    )


def could_not_read(index: int, picture: job_pb2.Input) -> job_pb2.Item:
    error = refusal("INVALID_ARGUMENT", "IMAGE_INVALID", "the picture ends too early")
    return job_pb2.Item(index=index, name=picture.name, state=job_pb2.STATE_FAILED, attempt=1, error=error)


def history(job: job_pb2.Job, request: pb.WatchRequest) -> list[Step]:
    """Tell a finished job as Watch does."""
    if not request.HasField("after_sequence"):
        return [pb.WatchResponse(snapshot=job)]
    kinds: list[dict[str, Any]] = [{"job_accepted": event_pb2.JobAccepted(items_total=len(job.items))}]
    kinds += [{"item_finished": event_pb2.ItemFinished(item=item)} for item in job.items]
    kinds += [{"job_finished": event_pb2.JobFinished(state=job.state, progress=job.progress)}]
    events = [event_pb2.Event(sequence=number, **kind) for number, kind in enumerate(kinds, 1)]
    return [pb.WatchResponse(event=event) for event in events[request.after_sequence :]]


class Server:
    """A port that a gateway can leave and come back to."""

    def __init__(self, gateway: SmallGateway, blobs: SmallBlobs) -> None:
        self.gateway = gateway
        self.blobs = blobs
        self.port = 0

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        add_DetectionServiceServicer_to_server(self.gateway, self._server)
        add_BlobServiceServicer_to_server(self.blobs, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(None)


@pytest.fixture
def cannot_read() -> Callable[[int, job_pb2.Input], job_pb2.Item]:
    return could_not_read


@pytest.fixture
def gateway() -> SmallGateway:
    return SmallGateway()


@pytest.fixture
def blobs() -> SmallBlobs:
    return SmallBlobs()


@pytest.fixture
async def server(gateway: SmallGateway, blobs: SmallBlobs) -> AsyncIterator[Server]:
    server = Server(gateway, blobs)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(server.target, timeout_s=10.0) as client:
        yield client


@pytest.fixture
def picture(tmp_path):
    """A small JPEG with nothing in it."""
    from PIL import Image

    path = tmp_path / "yard.jpg"
    Image.new("RGB", (64, 48), "grey").save(path)
    return path
