"""A detector process's end of the socket to the pool."""

from __future__ import annotations

import socket
import threading

from worker.wire import LENGTHS, Message, decode, encode


class Line:
    """Messages over a socket. Any thread may send, one may receive."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._incoming = connection.makefile("rb")
        self._sending = threading.Lock()

    def send(self, message: Message) -> None:
        with self._sending:
            self._connection.sendall(encode(message))

    def receive(self) -> Message | None:
        """Wait for a message; None when the pool has closed its end."""
        lengths = self._incoming.read(LENGTHS.size)
        if len(lengths) < LENGTHS.size:
            return None
        head, body = (self._incoming.read(length) for length in LENGTHS.unpack(lengths))
        return decode(head, body)

    def close(self) -> None:
        self._incoming.close()
        self._connection.close()
