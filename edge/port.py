"""Whether the edge may listen where it is told to. Envoy says so too, but among much else."""

from __future__ import annotations

import errno
import socket

from edge.address import Address
from edge.errors import ConfigurationError


def check_free(address: Address, chosen_by: str) -> None:
    """Bind the address for a moment. `chosen_by` names the settings that choose it.

    Raises:
        ConfigurationError: it is taken, not of this machine, or not for this user.
    """
    try:
        family, kind, _, _, found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Envoy: what was closed a moment ago is no hindrance
            probe.bind(found)
            probe.listen()
    except OSError as error:
        hint = " Is another edge running?" if error.errno == errno.EADDRINUSE else ""
        raise ConfigurationError(
            f"cannot listen on {address}: {error.strerror}.{hint} {chosen_by} chooses another address."
        ) from error
