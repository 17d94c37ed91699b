"""The worker with detectors that only sleep: `python -m bench.sleeping_worker SECONDS FLAG…`"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from bench.noop_worker import MODEL, OUTCOME
from dispatch import logs
from worker.config import Config, read_config
from worker.detection import Census, DetectOutcome, DetectRequest, Model, Stage
from worker.runner import run_worker, stop_on_signals


class SleepingPool:
    """Finds the same in every picture, after a while. Each detector looks at one at a time."""

    model: Model = MODEL

    def __init__(self, detectors: int, sleep_s: float) -> None:
        self.detectors = detectors
        self._sleep_s = sleep_s
        self._idle = asyncio.Semaphore(detectors)

    @property
    def census(self) -> Census:
        return Census(ready=self.detectors, busy=0)

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def detect(self, request: DetectRequest, *, on_stage: Callable[[Stage], None], timeout_s: float) -> DetectOutcome:  # noqa: ARG002
        async with self._idle:
            on_stage(Stage.DETECTING)
            await asyncio.sleep(self._sleep_s)
        return OUTCOME


async def run(config: Config, sleep_s: float) -> None:
    await run_worker(config, [SleepingPool(config.detectors, sleep_s)], stop=stop_on_signals())


if __name__ == "__main__":
    settings = read_config(sys.argv[2:], os.environ, Path.cwd() / ".myeye")
    logs.configure(settings.log_format, sys.stderr)
    asyncio.run(run(settings, float(sys.argv[1])))
