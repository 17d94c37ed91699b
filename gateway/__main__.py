"""python -m gateway"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from dispatch import logs
from dispatch.errors import ConfigurationError, DispatchError
from dispatch.secrets import read_secrets
from gateway.config import Config, read_config
from gateway.server import serve

log = logging.getLogger("gateway")


async def run(config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serve(config):
        await stop.wait()


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal. Give 0 after a drain, 1 when it cannot start, 2 when its settings are wrong."""
    try:
        read_secrets(os.environ)
        config = read_config(arguments, os.environ, Path.cwd() / ".myeye")
    except ConfigurationError as error:
        sys.stderr.write(f"gateway: {error}\n")
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
