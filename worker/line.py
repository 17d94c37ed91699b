"""A child process's end of the socket to its parent."""

from __future__ import annotations

import socket
import threading
from typing import Generic

from worker.wire import LENGTHS, M, Wire


class Line(Generic[M]):
    """Messages over a socket. Any thread may send, one may receive."""

    def __init__(self, connection: socket.socket, wire: Wire[M]) -> None:
        self._wire = wire
        self._connection = connection
        self._incoming = connection.makefile("rb")
        self._sending = threading.Lock()

    def send(self, message: M) -> None:
        with self._sending:
            self._connection.sendall(self._wire.encode(message))

    def receive(self) -> M | None:
        """Wait for a message; None when the parent has closed its end."""
        lengths = self._incoming.read(LENGTHS.size)
        if len(lengths) < LENGTHS.size:
            return None
        head, body = (self._incoming.read(length) for length in LENGTHS.unpack(lengths))
        return self._wire.decode(head, body)

    def close(self) -> None:
        self._incoming.close()
        self._connection.close()
