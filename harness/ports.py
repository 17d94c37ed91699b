"""Ports of the loopback address to listen on."""

from __future__ import annotations

import random
import socket

PORTS = range(10_000, 32_000)
"""Below those that the system gives to outgoing connections, so that a server which was stopped finds its port still free."""


def free_port() -> int:
    """Choose a port that nobody listens on: by chance, so that programs which choose at the same time do not choose alike."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
