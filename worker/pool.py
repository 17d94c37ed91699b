"""Detector processes at work: who gets which picture, what happens when one dies over it, and who is to blame.

A process holds two requests at most: one is detected while the next is decoded. When it dies with both, either may be the cause,
so both are done again, each alone in a process; a death over a request that was alone is its own doing. A request's time runs
while it is the first of its process: to wait, behind another or for a process to start, costs nothing.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import count

from dispatch.backoff import Backoff
from dispatch.errors import ConfigurationError
from worker.detection import Census, DetectorFailed, DetectOutcome, DetectRequest, Model, PictureRejected, Stage
from worker.models import ModelFile
from worker.orders import Orders
from worker.process import Launch, Process
from worker.sandbox import MEMORY_BYTES
from worker.seat import Job, Seat
from worker.wire import DETECTOR, Broke, Entered, Found, Message, Rejected

log = logging.getLogger(__name__)

CANCEL_S = 2.0
"""How long a cancelled request may run on before its process is ended."""


class Pool:
    """A DetectorPool over processes that are replaced when they die."""

    def __init__(
        self,
        launch: Launch[Message],
        model: Model,
        *,
        detectors: int,
        backoff: Backoff | None = None,
        cancel_s: float = CANCEL_S,
    ) -> None:
        self.model = model
        self.detectors = detectors
        self._launch = launch
        self._backoff = backoff or Backoff(base_s=0.1)
        self._cancel_s = cancel_s
        self._numbers = count(1)
        self._waiting: deque[Job] = deque()
        self._seats = [Seat() for _ in range(detectors)]
        self._tending: list[asyncio.Task[None]] = []
        self._lost = 0

    @classmethod
    def of(cls, file: ModelFile, *, detectors: int, max_pixels: int) -> Pool:
        """Make a pool of the real detectors."""
        orders = Orders(socket_fd=-1, memory_bytes=MEMORY_BYTES, max_pixels=max_pixels, path=file.path, model=file.model)
        launch = Launch(orders, (sys.executable, "-m", "worker.child"), DETECTOR, "detector")
        return cls(launch, file.model, detectors=detectors)

    @property
    def pids(self) -> Sequence[int]:
        """Name the processes that are ready."""
        return [seat.process.pid for seat in self._seats if seat.process]

    @property
    def census(self) -> Census:
        present = [seat for seat in self._seats if seat.process]
        return Census(ready=len(present), busy=sum(bool(seat.jobs) for seat in present), lost=self._lost)

    async def start(self) -> None:
        ready = [asyncio.get_running_loop().create_future() for _ in self._seats]
        self._tending = [asyncio.create_task(self._tend(*each)) for each in zip(self._seats, ready, strict=True)]
        for task in self._tending:
            task.add_done_callback(_complain)
        await asyncio.gather(*ready)

    async def detect(self, request: DetectRequest, *, on_stage: Callable[[Stage], None], timeout_s: float) -> DetectOutcome:
        loop = asyncio.get_running_loop()
        job = Job(request, on_stage, timeout_s, loop.create_future(), asked_s=loop.time())
        self._waiting.append(job)
        self._fill()
        try:
            return await job.outcome
        finally:
            self._leave(job)

    async def close(self) -> None:
        stopping = DetectorFailed("DETECTOR_CRASHED", "the worker is stopping")
        for job in [*self._waiting, *(job for seat in self._seats for job in seat.jobs.values())]:
            job.fail(stopping)
        for task in self._tending:
            task.cancel()
        await asyncio.gather(*self._tending, return_exceptions=True)

    async def _tend(self, seat: Seat, ready: asyncio.Future[None]) -> None:
        """Keep a process in the seat. Without a first one there is no sense in trying again.

        One that dies over a request is replaced at once: a series of pictures that kill must not keep the others waiting.
        """
        useless = 0
        while True:
            seat.used = False
            try:
                process = await Process.start(self._launch)
            except ConfigurationError as error:
                if not ready.done():
                    ready.set_exception(error)
                    return
                log.error("a detector cannot be started again: %s", error)
                self._give_up_without_any()
            else:
                if not ready.done():
                    ready.set_result(None)
                await self._serve(seat, process)
            useless = 0 if seat.used else useless + 1
            if useless:
                await asyncio.sleep(self._backoff.delay_s(useless))

    async def _serve(self, seat: Seat, process: Process[Message]) -> None:
        """Work with a process until it is gone, and see to what it leaves behind."""
        seat.process = process
        self._fill()
        try:
            async for message in process.messages():
                self._hear(seat, message)
        finally:
            left = seat.vacate()
            await process.close()
        self._lost += 1
        log.warning("detector process %d %s; it last said:\n%s", process.pid, process.fate, process.last_words)
        if len(left) == 1:
            left[0].fail(DetectorFailed("DETECTOR_CRASHED", f"the detector {process.fate}"))
        else:
            self._again(left, alone=True)

    def _hear(self, seat: Seat, message: Message) -> None:
        match message:
            case Entered(number, stage) if number in seat.jobs:
                seat.jobs[number].enter(stage)
            case Found(number, outcome) if number in seat.jobs:
                seat.take(number).succeed(outcome)
            case Rejected(number, reason, text) if number in seat.jobs:
                seat.take(number).fail(PictureRejected(reason, text))
            case Broke(number) if number in seat.jobs:
                seat.take(number).fail(DetectorFailed("DETECTOR_CRASHED", "the detector broke over this picture"))
                self._end(seat)
        self._watch_first(seat)
        self._fill()

    def _fill(self) -> None:
        """Give out what waits, in its order, to the processes that have least to do."""
        while self._waiting:
            job = self._waiting[0]
            seats = [seat for seat in self._seats if seat.has_room(job)]
            if not seats:
                return
            self._waiting.popleft()
            seat = min(seats, key=lambda seat: len(seat.jobs))
            seat.give(next(self._numbers), job)
            self._watch_first(seat)

    def _again(self, jobs: Iterable[Job], *, alone: bool = False) -> None:
        """Do again what a process could not finish, before all else and with its full time."""
        for job in reversed([job for job in jobs if not job.over]):
            job.alone = job.alone or alone
            job.unwatch()
            self._waiting.appendleft(job)
        self._fill()

    def _give_up_without_any(self) -> None:
        """Fail what has waited for all its time when there is no process and none starts: another worker may do better."""
        if not any(seat.process for seat in self._seats):
            now_s = asyncio.get_running_loop().time()
            for job in self._waiting:
                if now_s - job.asked_s >= job.timeout_s:
                    job.fail(DetectorFailed("DETECTOR_CRASHED", "no detector can be started"))

    def _watch_first(self, seat: Seat) -> None:
        """Let the time run of the request that a process works at."""
        job = next(iter(seat.jobs.values()), None)
        if job and not job.over and job.timer is None:
            job.timer = asyncio.get_running_loop().call_later(job.timeout_s, self._expire, job)

    def _expire(self, job: Job) -> None:
        """Fail a job whose time is over. What shares its process is done again elsewhere, for its own time runs out meanwhile."""
        job.fail(DetectorFailed("EXECUTION_TIMEOUT", f"not done within {job.timeout_s:g} s"))
        for seat in self._seats:
            if seat.numbers(job):
                self._end_later(seat, seat.jobs)
                self._again(seat.desert())

    def _leave(self, job: Job) -> None:
        """Let a job go that is over. A process that still works at it is given a moment, and then ended."""
        job.unwatch()
        if job in self._waiting:
            self._waiting.remove(job)
        for seat in self._seats:
            self._end_later(seat, seat.numbers(job))

    def _end_later(self, seat: Seat, numbers: Iterable[int]) -> None:
        for number in numbers:
            asyncio.get_running_loop().call_later(self._cancel_s, self._end_over, seat, number)

    def _end_over(self, seat: Seat, number: int) -> None:
        if number in seat.jobs:
            log.warning("a detector still works at what is no longer wanted and is ended")
            self._end(seat)

    def _end(self, seat: Seat) -> None:
        if seat.process:
            seat.process.kill()
        self._again(seat.vacate())


def _complain(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.critical("the pool broke down", exc_info=error)
