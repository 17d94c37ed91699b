"""What the worker tells whoever listens: that it is alive, and what its runs are doing. Lost or late, nothing is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from dispatch.ports import Signals
from dispatch.v1.signal_pb2 import RunProgress, Signal, WorkerAlive, WorkerGone
from myeye.v1.detection_service_pb2 import ItemProgress
from worker.detection import Stage
from worker.view import Claim

ALIVE_EVERY_S = 5.0
TICK_S = 0.1


class Presence:
    """The worker's sign of life."""

    def __init__(self, signals: Signals, *, worker: str, models: Sequence[str], detectors: int, fetches: bool = False) -> None:
        self._signals = signals
        alive = WorkerAlive(worker=worker, models=models, detectors=detectors, fetches=fetches)
        self._alive = Signal(worker_alive=alive).SerializeToString()
        self._gone = Signal(worker_gone=WorkerGone(worker=worker)).SerializeToString()

    async def tell(self) -> None:
        """Say now and again that the worker is alive, and goodbye when cancelled."""
        try:
            while True:
                await self._signals.publish(self._alive)
                await asyncio.sleep(ALIVE_EVERY_S)
        finally:
            await self._signals.publish(self._gone)


@dataclass(frozen=True, slots=True)
class _Doing:
    stage: Stage
    frames_done: int
    frames_total: int


class Progress:
    """What the runs do. Of what a run passes between two ticks only the last is told."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._changed: dict[Claim, _Doing] = {}
        self._any = asyncio.Event()

    def note(self, claim: Claim, stage: Stage, *, frames_done: int = 0, frames_total: int = 0) -> None:
        """Note the stage of a run, and of a video its frames: looked at so far, and to look at in all."""
        self._changed[claim] = _Doing(stage, frames_done, frames_total)
        self._any.set()

    def finished(self, claim: Claim) -> None:
        """Forget a run: what it did last is told by the log."""
        self._changed.pop(claim, None)

    async def tell(self) -> None:
        """Tell what has changed, once a tick."""
        while True:
            await self._any.wait()
            await asyncio.sleep(TICK_S)
            self._any.clear()
            changed, self._changed = self._changed, {}
            for claim, doing in changed.items():
                await self._signals.publish(_signal(claim, doing))


def _signal(claim: Claim, doing: _Doing) -> bytes:
    progress = RunProgress(
        job_id=claim.job_id,
        item=claim.item,
        run_id=claim.run_id,
        stage=cast("ItemProgress.Stage.ValueType", doing.stage.value),
        frames_done=doing.frames_done,
        frames_total=doing.frames_total,
    )
    return Signal(run_progress=progress).SerializeToString()
