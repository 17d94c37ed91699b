"""python -m worker.probe: ask the worker of this container whether it works, as a health check of containers does."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from dispatch.errors import ConfigurationError
from worker.config import read_config
from worker.health import SERVING

LIMIT_S = 3.0
ALIVE = "--alive"


def main(arguments: Sequence[str]) -> int:
    """Give 0 when it works, 1 when it does not, 2 when its settings are wrong, which are read as the worker reads them.

    With --alive an answer is enough, whatever it says: without one the process hangs, and is to be replaced.
    """
    settings = [argument for argument in arguments if argument != ALIVE]
    try:
        path = read_config(settings, os.environ, Path.cwd()).health
    except ConfigurationError as error:
        sys.stderr.write(f"probe: {error}\n")
        return 2
    if path is None:
        sys.stderr.write("probe: --health (MYEYE_HEALTH) names no socket\n")
        return 2
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(LIMIT_S)
            connection.connect(str(path))
            told = connection.makefile().readline().strip()
    except OSError as error:
        sys.stderr.write(f"probe: {path}: {error}\n")
        return 1
    sys.stdout.write(f"{told}\n")
    return int(told != SERVING and (ALIVE not in arguments or not told))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
