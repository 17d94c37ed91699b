"""Progress is a bulletin: of what passes within a tick only the last is told, and nothing of what is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from dispatch.v1.signal_pb2 import Signal
from myeye.v1.detection_service_pb2 import ItemProgress
from worker.detection import Stage
from worker.report import Presence, Progress
from worker.view import Claim


class Heard:
    """Signals that somebody hears."""

    def __init__(self) -> None:
        self.signals: asyncio.Queue[Signal] = asyncio.Queue()

    async def publish(self, body: bytes) -> None:
        self.signals.put_nowait(Signal.FromString(body))

    def subscribe(self) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def next(self) -> Signal:
        async with asyncio.timeout(10):
            return await self.signals.get()


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_only_the_last_stage_of_a_tick_is_told_and_nothing_of_a_finished_run() -> None:
    heard = Heard()
    progress = Progress(heard)
    over, going = Claim("over", 0, "run 1"), Claim("going", 3, "run 2")
    telling = asyncio.create_task(progress.tell())
    progress.note(over, Stage.DETECTING)
    progress.note(going, Stage.FETCHING)
    progress.note(going, Stage.DECODING)
    progress.finished(over)
    first = (await heard.next()).run_progress
    assert (first.job_id, first.item, first.run_id, first.stage) == ("going", 3, "run 2", ItemProgress.STAGE_DECODING)
    progress.note(going, Stage.ANNOTATING)
    assert (await heard.next()).run_progress.stage == ItemProgress.STAGE_ANNOTATING
    assert heard.signals.empty()
    await stop(telling)


async def test_goodbye_is_said_however_presence_ends() -> None:
    heard = Heard()
    telling = asyncio.create_task(Presence(heard, worker="w", models=["m"], detectors=2).tell())
    assert (await heard.next()).worker_alive.detectors == 2
    await stop(telling)
    assert (await heard.next()).worker_gone.worker == "w"
