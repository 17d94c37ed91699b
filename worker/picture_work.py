"""An attempt at a picture."""

from __future__ import annotations

import asyncio
import time

from dispatch.events import Succeeded
from worker.attempt import Attempt
from worker.desk import Desk
from worker.detection import DetectOutcome, Stage
from worker.messages import check_size, request_of, result_of, timings_of


class PictureWork:
    """Implements `worker.work.Work`."""

    def __init__(self, desk: Desk, attempt: Attempt) -> None:
        self._desk = desk
        self._attempt = attempt
        self._begun_s = time.monotonic()
        self._picture = b""
        self._fetch_s = 0.0

    @property
    def fetched_bytes(self) -> int | None:
        return self._attempt.fetched_bytes

    async def fetch(self) -> None:
        self._note(Stage.FETCHING)
        begun_s = time.monotonic()
        check_size(self._attempt.task)
        self._picture = await self._desk.blobs.get(self._attempt.task.input_blob)
        self._fetch_s = time.monotonic() - begun_s

    async def do(self, fetch: asyncio.Future[None]) -> Succeeded:
        limit_s = self._attempt.limit_s
        async with asyncio.timeout(limit_s):
            await fetch
        request = request_of(self._attempt.task, self._picture)
        # The pool counts while a detector has the picture: one that waits behind a hung one must not pay for it.
        left_s = max(limit_s - self._fetch_s, 0.001)
        outcome = await self._desk.pool.detect(request, on_stage=self._note, timeout_s=left_s)
        async with asyncio.timeout(limit_s):
            annotate_s = await self._keep(outcome) if request.annotate else None
        timings = timings_of(
            self._attempt,
            fetch_s=self._fetch_s,
            decode_s=outcome.decode_s,
            detect_s=outcome.detect_s,
            annotate_s=annotate_s,
            total_s=time.monotonic() - self._begun_s,
        )
        return self._attempt.succeeded(timings, result=result_of(outcome, annotated=request.annotate))

    async def close(self) -> None:
        self._picture = b""

    def _note(self, stage: Stage) -> None:
        self._attempt.trail.enter(stage)
        self._desk.progress.note(self._attempt.claim, stage)

    async def _keep(self, outcome: DetectOutcome) -> float:
        self._note(Stage.ANNOTATING)
        begun_s = time.monotonic()
        await self._desk.blobs.put(self._attempt.task.annotated_blob, outcome.annotated)
        return outcome.annotate_s + time.monotonic() - begun_s
