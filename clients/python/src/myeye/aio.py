"""The client for asyncio. The other client, `myeye.sync`, runs this one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from functools import partial
from os import PathLike
from types import TracebackType
from typing import Self, TypeAlias, TypeVar, Unpack

import grpc

from myeye.access import Access
from myeye.batch import Batch
from myeye.calls import Request, Response, call
from myeye.channel import open_channel
from myeye.content import Content, content_of, opened
from myeye.cursor import Cursor
from myeye.download import download
from myeye.errors import reason
from myeye.frames import frames_of
from myeye.handing_in import HandingIn, UploadProgress, hand_in
from myeye.job_filter import JobFilter, list_request, retry_filter
from myeye.job_progress import JobProgress, tell_progress
from myeye.pictures import Pictures, sources_of
from myeye.session import AsyncSession, Detail
from myeye.states import is_terminal
from myeye.stream import Patience
from myeye.submission import SubmitOptions, new_request_id
from myeye.timeouts import within
from myeye.upload import Told, Uploading, announce
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.blob_service_pb2 import DownloadAnnotatedRequest, DownloadInputRequest
from myeye.v1.blob_service_pb2_grpc import BlobServiceStub
from myeye.v1.capabilities_pb2 import Limits
from myeye.v1.detection_pb2 import FrameResult
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from myeye.v1.job_pb2 import Job
from myeye.v1.upload_pb2 import Upload
from myeye.watch import Watch
from myeye.watch_many import JobsWatch, LabelsWatch

DEFAULT_TARGET = "localhost:50051"
LONGEST_WAIT_S = 60.0

P = TypeVar("P", bound=Pictures)

Outcomes: TypeAlias = list[pb.RetryOutcome]


class AsyncClient:
    """A connection to one myeye service, for one running event loop.

    Every call is tried again, with growing pauses, while the service cannot be reached and `timeout_s` has not passed; all of
    them are safe to repeat. All methods raise `MyeyeError` or one of its subclasses.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        token: str | None = None,
        token_file: str | PathLike[str] | None = None,
        ca: str | PathLike[str] | None = None,
        certificate: str | PathLike[str] | None = None,
        key: str | PathLike[str] | None = None,
        tls: bool = False,
        credentials: grpc.ChannelCredentials | None = None,
        timeout_s: float = 30.0,
        silence_s: float = 60.0,
        resume_s: float = 600.0,
    ) -> None:
        """Connect on first use.

        Args:
            target: "host:port".
            token: who one is, where the service asks for it.
            token_file: the file of a token, which is read for each call; a watch whose token expires goes on with the next one.
            ca: the authority of the service's certificate, as a PEM file.
            certificate: one's own, as a PEM file, where the service asks for it.
            key: of that certificate.
            tls: encrypt, and trust the public authorities. Each of the files encrypts too.
            credentials: gRPC's own, in place of the files.
            timeout_s: for each call, its attempts and pauses included, and for the first sign of life of a watch.
            silence_s: a watch without even a heartbeat for so long is begun again; the gateway sends one every 15 s.
            resume_s: a watch gives up when the service cannot be reached for so long.

        Raises:
            OSError: a file cannot be read.
            ValueError: what is given does not go together, or a token would leave this machine unencrypted.
        """
        access = Access(
            token=token, token_file=token_file, ca=ca, certificate=certificate, key=key, tls=tls, credentials=credentials
        )
        self._patience = Patience(call_s=timeout_s, silence_s=silence_s, resume_s=resume_s)
        self._channel = open_channel(target, access)
        self._stub = DetectionServiceStub(self._channel)
        self._pictures = BlobServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection and what still uses it."""
        await self._channel.close()

    async def submit(
        self, pictures: Pictures, *, on_upload: UploadProgress | None = None, **options: Unpack[SubmitOptions]
    ) -> Job:
        """Hand in one picture or several as one job, and return as soon as the service keeps it safely.

        What is large, or does not fit one request with the others, is uploaded before; `on_upload` is told its name, how many
        bytes were sent, and of how many.

        Raises:
            OSError: a file cannot be read.
            TypeError: this is no picture, or an array is not of uint8.
            ValueError: an array does not have the shape of a picture.
        """
        return await hand_in(await self._handing_in(pictures, on_upload), options, partial(self._call, self._stub.Submit))

    async def detect(
        self,
        pictures: Pictures,
        *,
        timeout: float | None = None,
        on_upload: UploadProgress | None = None,
        on_progress: JobProgress | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Job:
        """Submit, and return the job when it has ended: look at its state and items. `on_progress` is told how far it is.

        Raises:
            TimeoutError: `timeout` seconds have passed; a job that was made by then goes on.
            OSError: a file cannot be read.
            TypeError: this is no picture, or an array is not of uint8.
            ValueError: an array does not have the shape of a picture.
        """
        async with asyncio.timeout(timeout):
            job = await self.submit(pictures, on_upload=on_upload, **options)
            return await self.wait(job.id, on_progress=on_progress)

    def detect_many(
        self, batch: Iterable[P], *, on_upload: UploadProgress | None = None, **options: Unpack[SubmitOptions]
    ) -> AsyncGenerator[tuple[P, Job], None]:
        """Make a job of each of many, over one session, and yield what was given with its job, in the order in which they end.

        `batch` is read as there is room: a thousand jobs are under way at most. Each job's `request_id` is the one given with a
        number behind it, as "mine.0". While the queue is full it waits.

        Raises:
            OSError: a file cannot be read.
            TypeError: this is no picture, or an array is not of uint8.
            ValueError: an array does not have the shape of a picture.
        """
        run: Batch[P] = Batch(self.session(Detail.ENDS), self._patience, on_upload)
        return run.run(batch, options)

    def session(self, detail: Detail = Detail.EVENTS) -> AsyncSession:
        """Make a session, for `async with`: many jobs over one stream, where calls of their own would cost more than the work."""
        return AsyncSession(self._stub, self._patience, detail, self._handing_in)

    async def upload(self, content: Content, *, progress: Told | None = None) -> Upload:
        """Hand in a picture or video before its job: give what is returned to `submit`, within the service's `upload_ttl`.

        It goes on by itself through broken connections and restarts of the service; to begin again with the same bytes, in
        another program too, goes on with what the service has. `progress` is told how many bytes were sent, of how many.

        Raises:
            OSError: a file cannot be read.
            TypeError: this is no content, or an array is not of uint8.
            ValueError: an array does not have the shape of a picture.
        """
        with opened(await asyncio.to_thread(content_of, content)) as file:
            announced = await asyncio.to_thread(announce, file)
            return await Uploading(self._pictures, announced, self._patience, progress or _say_nothing).run()

    def watch(
        self, job_id: str, *, after_sequence: int | None = None, timeout: float | None = None
    ) -> AsyncGenerator[pb.WatchResponse, None]:
        """Yield what happens to a job until its end, each event exactly once, through broken connections and restarts.

        First comes a snapshot, then what happens after it. With `after_sequence` there is no snapshot, but all events after
        that one; 0 gives the whole history. Heartbeats are left out.

        Raises:
            TimeoutError: the job has not ended after `timeout` seconds; it goes on.
            ProtocolError: an event is missing.
        """
        return within(Watch(self._stub, job_id, Cursor(after_sequence), self._patience).updates(), timeout)

    def frames(self, job_id: str, item: int = 0, *, timeout: float | None = None) -> AsyncGenerator[FrameResult, None]:
        """Yield what is found in the frames of a video, as they are looked at, from the first one until the item's end.

        Should the service have to begin the video anew, so do they: with `index` 0.

        Raises:
            TimeoutError: the item has not ended after `timeout` seconds; it goes on.
        """
        return frames_of(self.watch(job_id, after_sequence=0, timeout=timeout), item)

    def watch_many(
        self,
        jobs: Iterable[str] | Mapping[str, int | None] = (),
        *,
        labels: Iterable[str] = (),
        timeout: float | None = None,
    ) -> AsyncGenerator[pb.WatchManyResponse, None]:
        """Yield what happens to several jobs, each event exactly once, through broken connections and restarts.

        Every update has the `job_id` that it is of, and is otherwise as of `watch`. Give either `jobs`, by their ids, or as a
        mapping to the sequence after which each is to be told; it ends when all of them have ended. Or give `labels`, each
        "key=value", or "key" for any value: it tells of all jobs that have all of them, also of those that come later, and
        goes on until it is left.

        Raises:
            ValueError: neither or both were given.
            TimeoutError: `timeout` seconds have passed before it has ended.
            ProtocolError: an event is missing.
        """
        after = jobs if isinstance(jobs, Mapping) else dict.fromkeys(jobs)
        selectors = list(labels)
        if bool(after) == bool(selectors):
            raise ValueError("either jobs or labels must be given, and not both")
        if selectors:
            return within(LabelsWatch(self._stub, selectors, {}, self._patience).updates(), timeout)
        cursors = {job_id: Cursor(sequence) for job_id, sequence in after.items()}
        return within(JobsWatch(self._stub, cursors, self._patience).updates(), timeout)

    async def download(self, job_id: str, item: int = 0, *, annotated: bool = True) -> bytes:
        """Return an item's picture: with the boxes drawn, a JPEG, which `annotate` had to ask for; or as it was handed in.

        Raises:
            NotFound: with reason ANNOTATED_NOT_FOUND as long as the item has not succeeded, or when none was asked for.
        """
        if annotated:
            drawn = DownloadAnnotatedRequest(job_id=job_id, item=item)
            return await download(self._pictures.DownloadAnnotated, drawn, self._patience)
        return await download(self._pictures.DownloadInput, DownloadInputRequest(job_id=job_id, item=item), self._patience)

    async def wait(self, job_id: str, timeout: float | None = None, *, on_progress: JobProgress | None = None) -> Job:
        """Return the job when it has ended. `on_progress` is told how far it is: at once, and whenever it is further.

        Raises:
            TimeoutError: `timeout` seconds have passed; the job goes on.
        """
        request = pb.WaitRequest(job_id=job_id)
        async with asyncio.timeout(timeout):
            if on_progress is not None:
                await tell_progress(self.watch(job_id), on_progress)
            while True:
                job = (await self._call(self._stub.Wait, request, LONGEST_WAIT_S)).job
                if is_terminal(job.state):
                    return job

    async def get(self, job_id: str) -> Job:
        """Return the job as it is now."""
        return (await self._call(self._stub.Get, pb.GetRequest(job_id=job_id))).job

    async def list(
        self,
        *,
        page_size: int = 0,
        without_retry: bool = False,
        with_failed_items: bool = False,
        **wanted: Unpack[JobFilter],
    ) -> AsyncGenerator[Job, None]:
        """Yield the jobs that match, newest first, page after page, without their items.

        `without_retry` leaves out jobs that have been retried. `with_failed_items` gives each job with the first of its items
        that ended without success: with cause, attempts and last worker.
        """
        request = list_request(wanted)
        request.page_size, request.without_retry, request.with_failed_items = page_size, without_retry, with_failed_items
        while True:
            page = await self._call(self._stub.List, request)
            for job in page.jobs:
                yield job
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def cancel(self, job_id: str, reason: str = "") -> Job:
        """End a job as CANCELLED and return it."""
        return (await self._call(self._stub.Cancel, pb.CancelRequest(job_id=job_id, reason=reason))).job

    async def retry(self, job_id: str, *, request_id: str | None = None) -> Job:
        """Run what did not succeed again, as a new job, and return that."""
        request = pb.RetryRequest(job_id=job_id, request_id=request_id or new_request_id())
        return (await self._call(self._stub.Retry, request)).job

    async def retry_many(self, job_ids: Iterable[str], *, request_id: str | None = None) -> Sequence[pb.RetryOutcome]:
        """Retry several jobs, none more than once, and return what became of each: `new_job_id`, or why there is none in `error`.

        A job that was retried before is left to its retry: its error has the reason JOB_RETRIED.
        """
        ids = tuple(dict.fromkeys(job_ids))
        request_id = request_id or new_request_id()
        most = (await self._limits()).max_retries or len(ids)
        outcomes: Outcomes = []
        for start in range(0, len(ids), most):
            request = pb.RetryManyRequest(request_id=request_id, job_ids=ids[start : start + most])
            outcomes += (await self._call(self._stub.RetryMany, request)).outcomes
        return outcomes

    async def retry_matching(self, *, request_id: str | None = None, **wanted: Unpack[JobFilter]) -> Sequence[pb.RetryOutcome]:
        """Retry all jobs that failed and match, none more than once, and return what became of each, the newest first.

        Jobs that were retried before are left to their retries. Without a filter these are all that failed, wholly or in part. It
        ends early when a queue is full: some outcomes have the reason QUEUE_FULL then, and the rest can be retried later.
        """
        request = pb.RetryManyRequest(request_id=request_id or new_request_id(), filter=retry_filter(wanted))
        outcomes: Outcomes = []
        while True:
            page = await self._call(self._stub.RetryMany, request)
            outcomes += page.outcomes
            if not page.next_page_token or any(reason(outcome.error) == "QUEUE_FULL" for outcome in page.outcomes):
                return outcomes
            request.page_token = page.next_page_token

    async def delete(self, job_id: str) -> None:
        """Remove a finished job and its pictures."""
        await self._call(self._stub.Delete, pb.DeleteRequest(job_id=job_id))

    async def capabilities(self) -> pb.GetCapabilitiesResponse:
        """Return the service's models, limits and defaults."""
        return await self._call(self._stub.GetCapabilities, pb.GetCapabilitiesRequest())

    async def _handing_in(self, pictures: Pictures, on_upload: UploadProgress | None) -> HandingIn:
        sources = await asyncio.to_thread(sources_of, pictures)
        return HandingIn(sources, self._limits, self.upload, on_upload)

    async def _limits(self) -> Limits:
        return (await self.capabilities()).limits

    async def _call(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request, extra_s: float = 0.0
    ) -> Response:
        return await call(method, request, timeout_s=self._patience.call_s + extra_s)


def _say_nothing(sent: int, size: int) -> None: ...
