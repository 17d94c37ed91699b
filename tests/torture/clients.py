"""The load: clients that submit, watch, cancel, retry, break off and come again, and write down what they are told."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress

import grpc

from myeye.v1.detection_service_pb2 import CancelRequest
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from tests.torture.callers import Caller, Callers
from tests.torture.calls import CALL_S, DOUBT, PASSING, Refused, make, make_in_session
from tests.torture.records import Method, Picture, Record, Sight, Submission
from tests.torture.retries import Retries
from tests.torture.watching import Gone, look, look_in_session

PAUSE_S = 0.4
"""Between two jobs of one client, on average."""
NATURES = ("good",) * 26 + ("slow",) * 6 + ("bad",) * 4 + ("poison",) * 2 + ("hang",)
ANNOTATED = 0.4
"""Of all jobs, whose pictures are drawn on."""
HOPELESS = ("poison", "hang")
IN_SESSION = 0.15
"""Of a client's turns, in which it submits several jobs at once in a Session."""
RETRYING = 0.4
"""Of a client's turns, after which it retries what has failed."""


class Clients:
    """A crowd with one random source each, so that what they ask for does not depend on who is faster."""

    def __init__(self, targets: list[str], callers: Callers, record: Record, *, seed: int, crowd: int) -> None:
        # a black hole is to be noticed soon: this is what our own client does too
        options = [("grpc.keepalive_time_ms", 5_000), ("grpc.http2.ping_timeout_ms", 3_000)]
        self._channels = [grpc.aio.insecure_channel(target, options=options) for target in targets]
        self._stubs = [DetectionServiceStub(channel) for channel in self._channels]
        self._record = record
        self._begun_s = time.monotonic()
        self._clients = [
            Client(self, callers.of_client(number), f"{seed}-{number}", random.Random(f"{seed}/{number}"), record)
            for number in range(crowd)
        ]
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
                for client in self._clients:
                    group.create_task(client.run())
            await asyncio.gather(*self._watching)
        finally:
            for channel in self._channels:
                await channel.close()

    def any_stub(self, chance: random.Random) -> DetectionServiceStub:
        """Choose a gateway."""
        return chance.choice(self._stubs)

    def watch(self, watching: asyncio.Task[None]) -> None:
        """Keep a watcher until it has seen the end."""
        self._watching.add(watching)


class Client:
    """One of them: it does one thing after the other, and watches on the side."""

    def __init__(self, crowd: Clients, caller: Caller, name: str, chance: random.Random, record: Record) -> None:
        self._crowd = crowd
        self._caller = caller
        self._name = name
        self._chance = chance
        self._record = record
        self._count = 0
        self._retries = Retries(
            caller,
            name,
            record,
            chance,
            any_stub=lambda: crowd.any_stub(chance),
            now_s=lambda: crowd.now_s,
            made=self._watch,
        )

    async def run(self) -> None:
        """Go on until the crowd is stopping."""
        chance, stopping = self._chance, self._crowd.stopping
        while not stopping.is_set():
            if chance.random() < IN_SESSION:
                submissions = [self._draw() for _ in range(chance.randrange(2, 5))]
                await self._make_in_session(submissions)
            else:
                submissions = [self._draw()]
                await self._make(submissions[0])
            for submission in submissions:
                await self._follow_up(submission)
            if chance.random() < RETRYING:
                await self._retry()
            with suppress(TimeoutError):
                async with asyncio.timeout(chance.expovariate(1 / PAUSE_S)):
                    await stopping.wait()

    def _draw(self) -> Submission:
        """Draw a job. What is hopeless comes alone and has few attempts; others have more than any series of faults uses up."""
        self._count += 1
        name, chance = f"{self._name}-{self._count}", self._chance
        natures = [chance.choice(NATURES) for _ in range(chance.choice((1, 1, 1, 2, 5)))]
        hopeless = [nature for nature in natures if nature in HOPELESS]
        pictures = tuple(Picture(nature, f"{nature}:{name}-{n}".encode()) for n, nature in enumerate(hopeless[:1] or natures))
        return Submission(
            request_id=name,
            asked=pictures,
            max_attempts=2 if hopeless else 10,
            annotate=chance.random() < ANNOTATED,
            principal=self._caller.name,
            label=self._name,
        )

    async def _make(self, submission: Submission) -> None:
        """Ask until there is an answer that leaves no doubt, each time of any gateway; at times once more, or of two at once."""
        chance = self._chance
        self._record.submissions.append(submission)
        wanted = 2 if chance.random() < 0.1 else 1
        at_once = 2 if chance.random() < 0.1 else 1
        in_doubt = False
        while len(submission.job_ids) < wanted:
            asking = [make(self._crowd.any_stub(chance), self._caller, submission) for _ in range(at_once)]
            answers = await asyncio.gather(*asking, return_exceptions=True)
            for answer in answers:
                if isinstance(answer, str):
                    self._accepted(submission, answer)
                elif not isinstance(answer, Refused):
                    if not isinstance(answer, DOUBT):
                        raise answer
                    in_doubt = True  # this call may still make the job, whatever another one is told
            refusal = next((answer for answer in answers if isinstance(answer, Refused)), None)
            if refusal and not submission.job_ids and not (in_doubt and refusal.reason in PASSING):
                submission.doubtful = in_doubt
                self._refused(submission, refusal)
                return
            await asyncio.sleep(chance.uniform(0.1, 0.5) if in_doubt else 0)

    async def _make_in_session(self, submissions: list[Submission]) -> None:
        """Submit several over one stream, and those without a plain answer again over another."""
        self._record.submissions += submissions
        left = dict(enumerate(submissions))
        in_doubt: set[int] = set()

        def answered(number: int, answer: str | Refused) -> None:
            if isinstance(answer, str):
                self._accepted(left.pop(number), answer)
            elif number not in in_doubt:
                self._refused(left.pop(number), answer)

        while left:
            with suppress(*DOUBT):
                await make_in_session(self._crowd.any_stub(self._chance), self._caller, dict(left), answered)
            in_doubt |= set(left)
            if left:
                await asyncio.sleep(self._chance.uniform(0.1, 0.5))

    def _accepted(self, submission: Submission, job_id: str) -> None:
        submission.job_ids.append(job_id)
        if submission.method is Method.SUBMIT:
            self._record.accepted_at_s.append(self._crowd.now_s)

    def _refused(self, submission: Submission, refusal: Refused) -> None:
        submission.refused, submission.refused_at_s = refusal.reason, self._crowd.now_s

    async def _follow_up(self, submission: Submission) -> None:
        if submission.job_id:
            self._watch(submission)
            if self._chance.random() < 0.1:
                await self._cancel(submission)

    async def _retry(self) -> None:
        match self._chance.randrange(3):
            case 0:
                if submission := self._retries.one():
                    await self._make(submission)
                    await self._follow_up(submission)
            case 1:
                await self._retries.named()
            case 2:
                await self._retries.all_that_failed()

    async def _cancel(self, submission: Submission) -> None:
        request = CancelRequest(job_id=submission.job_id)
        with suppress(grpc.aio.AioRpcError):
            await self._crowd.any_stub(self._chance).Cancel(request, timeout=CALL_S, metadata=self._caller.metadata)
            submission.cancelled = True

    def _watch(self, submission: Submission) -> None:
        self._retries.accepted(submission)
        for number in range(self._chance.choice((1, 1, 2))):
            sight = Sight()
            submission.sights.append(sight)
            watcher = random.Random(self._chance.random())
            seeing = self._see(submission, sight, watcher, first=number == 0)
            self._crowd.watch(asyncio.ensure_future(seeing))

    async def _see(self, submission: Submission, sight: Sight, chance: random.Random, *, first: bool) -> None:
        """Watch to the end, from any gateway, by Watch or in a Session, leaving now and then in the middle."""
        job_id = submission.job_id or ""
        while not sight.ended_ok:
            patience = chance.randrange(2, 8) if chance.random() < 0.3 else None
            way = look_in_session if chance.random() < 0.2 else look
            try:
                await way(self._crowd.any_stub(chance), self._caller, job_id, sight, patience)
            except Gone:
                if job_id in self._record.cut:
                    return
                await asyncio.sleep(chance.uniform(0.1, 1.0))
            except DOUBT:
                await asyncio.sleep(chance.uniform(0.1, 1.0))
        if first:
            self._retries.ended(submission)
