"""python -m worker"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dispatch import logs
from dispatch.errors import ConfigurationError, DispatchError
from dispatch.secrets import read_secrets
from worker.config import Config, read_config
from worker.runner import open_pools, run_worker, stop_on_signals

log = logging.getLogger("worker")


async def run(config: Config) -> None:
    await run_worker(config, open_pools(config), stop=stop_on_signals())


def main(arguments: Sequence[str]) -> int:
    """Work until a signal. Give 0 after a drain, 1 when it cannot start, 2 when its settings are wrong."""
    try:
        read_secrets(os.environ)
        config = read_config(arguments, os.environ, Path.cwd() / ".myeye")
    except ConfigurationError as error:
        sys.stderr.write(f"worker: {error}\n")
        return 2
    logs.configure(config.log_format, sys.stderr)
    try:
        asyncio.run(run(config))
    except DispatchError as error:
        log.critical("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
