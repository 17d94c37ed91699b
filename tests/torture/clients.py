"""The load: clients that submit, watch, cancel, break off and come again, and write down what they are told."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from myeye.v1.detection_service_pb2 import CancelRequest, SubmitRequest, WatchRequest
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from myeye.v1.job_pb2 import Input
from tests.torture.records import Picture, Record, Sight, Submission

CALL_S = 10.0
PAUSE_S = 0.4
"""Between two jobs of one client, on average."""
SILENCE_S = 8.0
"""Four heartbeats: a watcher believes a stream that is silent for longer to be dead."""
NATURES = ("good",) * 26 + ("slow",) * 6 + ("bad",) * 4 + ("poison",) * 2 + ("hang",)
ANNOTATED = 0.4
"""Of all jobs, whose pictures are drawn on."""
HOPELESS = ("poison", "hang")
KEPT_FOR_S = 3 * 86_400
"""Longer than the clocks jump."""


class Clients:
    """A crowd with one random source each, so that what they ask for does not depend on who is faster."""

    def __init__(self, targets: list[str], record: Record, *, seed: int, crowd: int) -> None:
        # a black hole is to be noticed soon: this is what our own client does too
        options = [("grpc.keepalive_time_ms", 5_000), ("grpc.http2.ping_timeout_ms", 3_000)]
        self._channels = [grpc.aio.insecure_channel(target, options=options) for target in targets]
        self._stubs = [DetectionServiceStub(channel) for channel in self._channels]
        self._record = record
        self._seed = seed
        self._crowd = crowd
        self._begun_s = time.monotonic()
        self._watching: set[asyncio.Task[None]] = set()
        self.stopping = asyncio.Event()

    @property
    def now_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._begun_s

    async def run(self) -> None:
        """Go on until `stopping` is set; then see every job to its end."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._crowd):
                    group.create_task(self._client(random.Random(f"{self._seed}/{number}"), number))
            await asyncio.gather(*self._watching)
        finally:
            for channel in self._channels:
                await channel.close()

    async def _client(self, chance: random.Random, number: int) -> None:
        count = 0
        while not self.stopping.is_set():
            count += 1
            submission = _draw(chance, f"{self._seed}-{number}-{count}")
            self._record.submissions.append(submission)
            await self._submit(submission, chance)
            if submission.job_id:
                self._watch(submission, chance)
                if chance.random() < 0.1:
                    await self._cancel(submission, chance)
            with suppress(TimeoutError):
                async with asyncio.timeout(chance.expovariate(1 / PAUSE_S)):
                    await self.stopping.wait()

    def _any(self, chance: random.Random) -> DetectionServiceStub:
        return chance.choice(self._stubs)

    async def _submit(self, submission: Submission, chance: random.Random) -> None:
        """Ask until there is an answer that leaves no doubt, each time of another gateway; sometimes once more after that."""
        request = _request(submission)
        wanted = 2 if chance.random() < 0.1 else 1
        in_doubt = False
        while len(submission.job_ids) < wanted:
            try:
                answer = await self._any(chance).Submit(request, timeout=CALL_S)
            except grpc.aio.AioRpcError as error:
                if _reason(error) == "QUEUE_FULL" and not in_doubt:
                    submission.refused, submission.refused_at_s = "QUEUE_FULL", self.now_s
                    return
                in_doubt = True  # an earlier call may still make the job, whatever a later one is told
                await asyncio.sleep(chance.uniform(0.1, 0.5))
            else:
                submission.job_ids.append(answer.job.id)
                self._record.accepted_at_s.append(self.now_s)

    async def _cancel(self, submission: Submission, chance: random.Random) -> None:
        with suppress(grpc.aio.AioRpcError):
            await self._any(chance).Cancel(CancelRequest(job_id=submission.job_id), timeout=CALL_S)
            submission.cancelled = True

    def _watch(self, submission: Submission, chance: random.Random) -> None:
        for _ in range(chance.choice((1, 1, 2))):
            sight = Sight()
            submission.sights.append(sight)
            watcher = random.Random(chance.random())
            task = asyncio.ensure_future(self._see(submission.job_id or "", sight, watcher))
            self._watching.add(task)

    async def _see(self, job_id: str, sight: Sight, chance: random.Random) -> None:
        """Watch to the end, from any gateway, leaving now and then in the middle."""
        while not sight.ended_ok:
            patience = chance.randrange(2, 8) if chance.random() < 0.3 else None
            try:
                await self._look(self._any(chance), job_id, sight, patience)
            except (grpc.aio.AioRpcError, TimeoutError) as error:
                if job_id in self._record.cut and isinstance(error, grpc.aio.AioRpcError) and _gone(error):
                    return
                await asyncio.sleep(chance.uniform(0.1, 1.0))

    @staticmethod
    async def _look(stub: DetectionServiceStub, job_id: str, sight: Sight, patience: int | None) -> None:
        after = sight.events[-1][0] if sight.events else 0
        call = stub.Watch(WatchRequest(job_id=job_id, after_sequence=after))
        try:
            messages = 0
            while patience is None or messages < patience:
                async with asyncio.timeout(SILENCE_S):
                    message = await call.read()
                if message is grpc.aio.EOF:
                    sight.ended_ok = True
                    return
                messages += 1
                if message.HasField("event"):
                    sight.events.append((message.event.sequence, message.event.SerializeToString(deterministic=True)))
        finally:
            call.cancel()


def _draw(chance: random.Random, name: str) -> Submission:
    """Draw a job. What is hopeless comes alone and has few attempts; others have more than any series of faults uses up."""
    natures = [chance.choice(NATURES) for _ in range(chance.choice((1, 1, 1, 2, 5)))]
    hopeless = [nature for nature in natures if nature in HOPELESS]
    pictures = tuple(Picture(nature, f"{nature}:{name}-{n}".encode()) for n, nature in enumerate(hopeless[:1] or natures))
    return Submission(
        request_id=name, pictures=pictures, max_attempts=2 if hopeless else 10, annotate=chance.random() < ANNOTATED
    )


def _request(submission: Submission) -> SubmitRequest:
    return SubmitRequest(
        request_id=submission.request_id,
        inputs=[Input(name=picture.nature, content=picture.content) for picture in submission.pictures],
        max_attempts=submission.max_attempts,
        execution_timeout=Duration(seconds=2),
        ttl=Duration(seconds=KEPT_FOR_S),
        annotate=submission.annotate,
    )


def _gone(error: grpc.aio.AioRpcError) -> bool:
    return error.code() is grpc.StatusCode.NOT_FOUND


def _reason(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    for detail in status.details if status else ():
        info = ErrorInfo()
        if detail.Unpack(info):
            return info.reason
    return ""
