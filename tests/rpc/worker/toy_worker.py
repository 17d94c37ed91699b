"""A worker process whose detector needs no model: `python toy_worker.py FLAG…`. A picture of b"endless" is looked at for ever."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from dispatch import logs
from worker.config import read_config
from worker.detection import Census, DetectOutcome, DetectRequest, Model, Stage
from worker.runner import run_worker, stop_on_signals


class Toy:
    model = Model("toy", "00" * 32, 0.5, ("cat",))
    detectors = 1
    census = Census(ready=1, busy=0)

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def detect(self, request: DetectRequest, *, on_stage: Callable[[Stage], None], timeout_s: float) -> DetectOutcome:
        if request.picture == b"endless":
            await asyncio.Event().wait()
        return DetectOutcome(1, 1, (), b"", 0.0, 0.0, 0.0)


async def main() -> None:
    config = read_config(sys.argv[1:], os.environ, Path.cwd())
    logs.configure(config.log_format, sys.stderr)
    await run_worker(config, [Toy()], stop=stop_on_signals())


if __name__ == "__main__":
    asyncio.run(main())
