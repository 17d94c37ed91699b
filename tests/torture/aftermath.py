"""What is left when the faults are over: every job on every gateway, the blobs, the queues, and what grew."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil

from dispatch.blobs import open_blobs
from dispatch.connect import connect
from dispatch.options import BrokerOptions
from dispatch.ports import Kind
from gateway.orphans import Orphans
from gateway.store import Store
from harness.process import Process
from myeye.v1.blob_service_pb2 import DownloadAnnotatedRequest
from myeye.v1.blob_service_pb2_grpc import BlobServiceStub
from myeye.v1.detection_service_pb2 import GetCapabilitiesRequest, GetRequest, ListRequest, WatchRequest
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from myeye.v1.job_pb2 import STATE_SUCCEEDED, Job
from tests.torture.callers import Caller, Callers
from tests.torture.records import Aftermath, Record
from tests.torture.retention import begun_in_stream
from tests.torture.site import DETECTORS, MAX_QUEUE_LENGTH, NotSaid, Site
from worker.config import DEFAULT_MODEL
from worker.consume import queues_of

log = logging.getLogger(__name__)

HEAL_LIMIT_S = 120.0
MORE_FILES = 30
MORE_BYTES = 150 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Size:
    """What a process has."""

    pid: int
    bytes: int
    files: int
    children: int

    @classmethod
    def of(cls, process: Process) -> Size:
        seen = psutil.Process(process.pid)
        return cls(process.pid, seen.memory_info().rss, seen.num_fds(), len(seen.children()))


def sizes(site: Site) -> dict[str, Size]:
    """Measure every process that runs, by name."""
    return {process.name: Size.of(process) for process in site.processes if process.running}


async def look(site: Site, record: Record, before: dict[str, Size]) -> Aftermath:
    """Wait until everything serves again, and write down what there is."""
    after = Aftermath()
    try:
        await asyncio.to_thread(site.start)
    except NotSaid as error:
        after.unhealed.append(str(error))
        return after
    ids = [submission.job_id for submission in record.submissions if submission.job_id]
    after.gone = await asyncio.to_thread(_gone, site, record)
    tellings = [*site.targets, site.targets[0]]
    for number, target in enumerate(tellings):
        if number == len(site.targets):  # what one tells that has read the log anew is the same
            after.growth = _growth(before, sizes(site))
            await asyncio.to_thread(_start_anew, site, 0)
        await _hear(number, target, site, ids, after)
    log.info("all gateways were asked for %d jobs", len(ids))
    async with grpc.aio.insecure_channel(site.targets[0]) as channel:
        await _download(BlobServiceStub(channel), site.callers.looker, record, after)
    after.blob_folders = site.blob_folders()
    after.waiting_tasks = await _waiting(site)
    log.info("%d tasks wait", after.waiting_tasks)
    await _sweep(site)
    after.kept_folders = site.blob_folders()
    after.growth += [f"detector process {pid} has outlived its worker" for pid in site.orphans()]
    return after


def _gone(site: Site, record: Record) -> set[str]:
    """Name the jobs whose beginning nobody has any more: the nodes of a cluster may have dropped different parts."""
    left = set[str]().union(*begun_in_stream(list(site.nodes))) if record.cut and site.nodes else set()
    return record.cut - left


def _start_anew(site: Site, number: int) -> None:
    site.gateways[number].kill()
    site.start()


async def _hear(number: int, target: str, site: Site, ids: list[str], after: Aftermath) -> None:
    async with grpc.aio.insecure_channel(target) as channel:
        stub = DetectionServiceStub(channel)
        try:
            async with asyncio.timeout(HEAL_LIMIT_S):
                await _removed(stub, site.callers.looker, sorted(after.gone))
        except TimeoutError:
            after.unhealed.append(f"gateway {number} still tells of a job whose beginning the log has dropped")
        try:
            async with asyncio.timeout(HEAL_LIMIT_S):
                await _ask(stub, site.callers, ids, after)
        except TimeoutError:
            after.unhealed.append(f"gateway {number} did not tell of all jobs within {HEAL_LIMIT_S:g} s")


async def _sweep(site: Site) -> None:
    """Remove from the blob store what has no job, as the gateways do every few hours."""
    blobs, broker = open_blobs(f"file://{site.blobs}"), await connect(site.broker, BrokerOptions())
    store = Store(broker.log)
    following = asyncio.ensure_future(store.journal.follow())
    try:
        await store.journal.barrier()
        store.caught_up = True
        await Orphans(store, blobs, age_s=0).sweep()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await broker.close()


async def _removed(stub: DetectionServiceStub, looker: Caller, job_ids: list[str]) -> None:
    """Return when none of the jobs is found."""
    for job_id in job_ids:
        while True:
            try:
                await stub.Get(GetRequest(job_id=job_id), metadata=looker.metadata, wait_for_ready=True)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.NOT_FOUND:
                    break
            await asyncio.sleep(0.2)


async def _ask(stub: DetectionServiceStub, callers: Callers, ids: list[str], after: Aftermath) -> None:
    looker = callers.looker
    jobs: dict[str, Job] = {}
    histories: dict[str, list[tuple[int, bytes]]] = {}
    after.jobs.append(jobs)
    after.histories.append(histories)
    for job_id in ids:
        try:
            job = jobs[job_id] = (await stub.Get(GetRequest(job_id=job_id), metadata=looker.metadata, wait_for_ready=True)).job
            histories[job_id] = await _history(stub, looker, job_id, job.last_sequence)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
    listed: dict[str, str] = {}
    request = ListRequest(page_size=500)
    while True:
        page = await stub.List(request, metadata=looker.metadata)
        listed |= {job.id: job.retry_of for job in page.jobs}
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    after.listed.append(listed)
    held = {}
    for user in callers.users:
        held[user.name] = (await stub.GetCapabilities(GetCapabilitiesRequest(), metadata=user.metadata)).holdings
    after.holdings.append(held)


async def _download(stub: BlobServiceStub, looker: Caller, record: Record, after: Aftermath) -> None:
    for submission in record.submissions:
        job = after.jobs[0].get(submission.job_id or "") if submission.annotate else None
        for item in job.items if job else ():
            if item.state == STATE_SUCCEEDED:
                request = DownloadAnnotatedRequest(job_id=job.id, item=item.index)
                with suppress(grpc.aio.AioRpcError):
                    after.annotated[job.id, item.index] = b"".join(
                        [piece.body.data async for piece in stub.DownloadAnnotated(request, metadata=looker.metadata)]
                    )


async def _history(stub: DetectionServiceStub, looker: Caller, job_id: str, last_sequence: int) -> list[tuple[int, bytes]]:
    """Watch a job from its beginning up to what Get told, for one that never ends is to be told of too."""
    call = stub.Watch(WatchRequest(job_id=job_id, after_sequence=0), metadata=looker.metadata)
    history = []
    async for message in call:
        if message.HasField("event"):
            history.append((message.event.sequence, message.event.SerializeToString(deterministic=True)))
            if message.event.sequence == last_sequence and message.event.WhichOneof("kind") != "job_finished":
                break
    call.cancel()
    return history


async def _waiting(site: Site) -> int:
    """Count the tasks that still wait; duplicates of what has ended are taken and dropped, so that soon there are none."""
    broker = await connect(site.broker, BrokerOptions(max_queue_length=MAX_QUEUE_LENGTH))
    queues = [queue for kind in Kind for queue in queues_of(DEFAULT_MODEL, kind)]
    try:
        end_s = time.monotonic() + HEAL_LIMIT_S
        while True:
            waiting = sum([await broker.tasks.depth(queue) for queue in queues])
            if not waiting or time.monotonic() > end_s:
                return waiting
            await asyncio.sleep(0.2)
    finally:
        await broker.close()


def _growth(before: dict[str, Size], after: dict[str, Size]) -> list[str]:
    """Find what grew in processes that were never restarted, and children too many in any."""
    grown = []
    for name, now in after.items():
        if name.startswith("worker") and now.children > DETECTORS:
            grown.append(f"{name} has {now.children} children, not {DETECTORS}")
        then = before.get(name)
        if then is None or then.pid != now.pid:
            continue
        if now.files > then.files + MORE_FILES:
            grown.append(f"{name} had {then.files} files open and has {now.files}")
        if now.bytes > then.bytes + MORE_BYTES:
            grown.append(f"{name} grew from {then.bytes >> 20} to {now.bytes >> 20} MiB")
    return grown


def logs_of(folder: Path) -> list[Path]:
    """Name the log files of a run."""
    return sorted(folder.glob("*.log"))
