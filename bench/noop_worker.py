"""The worker with a detector that does nothing: what remains is the talking. `python -m bench.noop_worker FLAG…`"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dispatch import logs
from worker.config import DEFAULT_MODEL, Config, read_config
from worker.detection import Box, Census, DetectOutcome, DetectRequest, Model, Stage
from worker.runner import run_worker, stop_on_signals

OUTCOME = DetectOutcome(640, 480, (Box("person", 0.9, 10, 20, 300, 400),), b"", 0.0, 0.0, 0.0)

MODEL = Model(DEFAULT_MODEL, "00" * 32, 0.3, ("person",))


@dataclass(frozen=True, slots=True)
class NoopPool:
    """Finds the same in every picture, at once."""

    detectors: int
    model: Model = MODEL

    @property
    def census(self) -> Census:
        return Census(ready=self.detectors, busy=0)

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def detect(self, request: DetectRequest, *, on_stage: Callable[[Stage], None], timeout_s: float) -> DetectOutcome:  # noqa: ARG002
        on_stage(Stage.DETECTING)
        return OUTCOME


async def run(config: Config) -> None:
    await run_worker(config, [NoopPool(config.detectors)], stop=stop_on_signals())


if __name__ == "__main__":
    settings = read_config(sys.argv[1:], os.environ, Path.cwd() / ".myeye")
    logs.configure(settings.log_format, sys.stderr)
    asyncio.run(run(settings))
