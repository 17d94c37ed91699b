"""python -m edge.probe: ask the edge of this container whether it serves, as a health check of containers does."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from edge.address import Address
from edge.config import Config, read_order
from edge.errors import ConfigurationError
from edge.metrics import READY

LIMIT_S = 3.0
PATH = "/healthz"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where such an edge is asked, not where it listens


def main(arguments: Sequence[str]) -> int:
    """Give 0 when it serves, 1 when it does not, 2 when its settings are wrong, which are read as the edge reads them."""
    try:
        connection, path = find(read_order(arguments, os.environ).config)
    except ConfigurationError as error:
        sys.stderr.write(f"probe: {error}\n")
        return 2
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.stderr.write(f"probe: {error}\n")
        return 1
    finally:
        connection.close()
    sys.stdout.write(f"{status}\n")
    return int(status != 200)


def find(config: Config) -> tuple[HTTPConnection, str]:
    """Say where the edge tells how it is: at the port of callers, or, where these must show a certificate, beside its metrics.

    Raises:
        ConfigurationError: it tells it nowhere.
    """
    if config.callers.ca is None:
        return _connection(config.listen, encrypted=config.callers.certificate is not None), PATH
    if config.metrics is None:
        raise ConfigurationError("an edge with --client-ca is asked at its --metrics, which is not given")
    return _connection(config.metrics, encrypted=False), READY


def _connection(address: Address, *, encrypted: bool) -> HTTPConnection:
    host = EVERYWHERE.get(address.host, address.host)
    if not encrypted:
        return HTTPConnection(host, address.port, timeout=LIMIT_S)
    # It asks its own machine, and tells nothing. Whose name the certificate bears is for callers from elsewhere to check.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(host, address.port, timeout=LIMIT_S, context=context)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
