"""python -m edge.probe: ask the edge of this container whether it serves, as a health check of containers does."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException

from edge.config import read_order
from edge.errors import ConfigurationError

LIMIT_S = 3.0
PATH = "/healthz"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where such an edge is asked, not where it listens


def main(arguments: Sequence[str]) -> int:
    """Give 0 when it serves, 1 when it does not, 2 when its settings are wrong, which are read as the edge reads them."""
    try:
        listen = read_order(arguments, os.environ).config.listen
    except ConfigurationError as error:
        sys.stderr.write(f"probe: {error}\n")
        return 2
    connection = HTTPConnection(EVERYWHERE.get(listen.host, listen.host), listen.port, timeout=LIMIT_S)
    try:
        connection.request("GET", PATH)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.stderr.write(f"probe: {error}\n")
        return 1
    finally:
        connection.close()
    sys.stdout.write(f"{status}\n")
    return int(status != 200)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
