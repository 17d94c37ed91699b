"""python -m dispatch.probe: ask the gateway or worker of this container whether it serves, as its health check does."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Mapping, Sequence

from dispatch.health import SERVING

LIMIT_S = 3.0


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Give 0 when it serves, 1 when it does not or does not answer, 2 when nobody said whom to ask."""
    parser = argparse.ArgumentParser(prog="python -m dispatch.probe", description="Ask a gateway or worker whether it serves.")
    path = environment.get("MYEYE_HEALTH")
    parser.add_argument("--health", default=path, required=not path, metavar="SOCKET", help="as it was told (MYEYE_HEALTH)")
    parser.add_argument(
        "--alive", action="store_true", help="be content with any answer: without one it hangs, and is to be replaced"
    )
    given = parser.parse_args(arguments)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(LIMIT_S)
            connection.connect(given.health)
            told = connection.makefile().readline().strip()
    except OSError as error:
        sys.stderr.write(f"probe: {given.health}: {error}\n")
        return 1
    sys.stdout.write(f"{told}\n")
    return int(told != SERVING and not (given.alive and told))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
