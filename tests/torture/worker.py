"""The real worker with play detectors in its real pool, by a clock that can be set and on a disk that can fail.

`python -m tests.torture.worker FLAG…`
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from dispatch import logs
from tests.torture.clock import VARIABLE as CLOCK
from tests.torture.clock import bend_clock
from tests.torture.disk import bend_disk
from worker.config import DEFAULT_MODEL, read_config
from worker.detection import Model
from worker.orders import Orders
from worker.pool import Pool
from worker.process import Launch
from worker.runner import run_worker, stop_on_signals
from worker.sandbox import MEMORY_BYTES
from worker.wire import DETECTOR


async def main() -> None:
    config = read_config(sys.argv[1:], os.environ, Path.cwd())
    logs.configure(config.log_format, sys.stderr)
    model = Model(DEFAULT_MODEL, "00" * 32, 0.5, ("thing",))
    orders = Orders(socket_fd=-1, memory_bytes=MEMORY_BYTES, max_pixels=1, path=Path(os.environ[CLOCK]), model=model)
    launch = Launch(orders, (sys.executable, "-m", "tests.torture.detector"), DETECTOR, "detector")
    await run_worker(config, [Pool(launch, model, detectors=config.detectors)], stop=stop_on_signals())


if __name__ == "__main__":
    bend_clock()
    bend_disk()
    asyncio.run(main())
