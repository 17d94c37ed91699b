"""Datagrams between the brokers that share a folder, each of which has a Unix socket there."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import os
import secrets
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

from dispatch.errors import ConfigurationError

log = logging.getLogger(__name__)

MAX_DATAGRAM_BYTES = 65_536
MAX_FOLDER_BYTES = 80
"""A socket's path may have 107 bytes (unix(7)); the rest is for its own name."""


class Mailbox:
    """A socket of our own, and the way to all others of one topic. Datagrams may be lost, but never wait.

    `receive` is called in the event loop that made the mailbox; `send` may be called in any thread.
    """

    def __init__(self, folder: Path, topic: str, receive: Callable[[bytes], None]) -> None:
        self._folder = _socket_folder(folder) / topic
        self._folder.mkdir(exist_ok=True)
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._receive = receive
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        # Bound under a hidden name first: between its making and its binding a socket refuses, and would be taken for a dead one.
        self._socket.bind(os.fspath(self._folder / f".{self._name}"))
        (self._folder / f".{self._name}").rename(self._folder / self._name)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._drain)

    def send(self, datagram: bytes) -> None:
        """Send to all others; whoever is dead is removed, and who has too much unread goes without."""
        if len(datagram) > MAX_DATAGRAM_BYTES:
            log.warning("a datagram of %d bytes is too large and was dropped", len(datagram))
            return
        for other in self._folder.iterdir():
            if other.name != self._name and not other.name.startswith("."):
                self._send_to(other, datagram)

    def _send_to(self, other: Path, datagram: bytes) -> None:
        try:
            self._socket.sendto(datagram, os.fspath(other))
        except ConnectionRefusedError:
            other.unlink(missing_ok=True)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOBUFS, errno.ENOENT):
                log.warning("%s could not be reached: %s", other, error)

    def _drain(self) -> None:
        while True:
            try:
                datagram = self._socket.recv(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            self._receive(datagram)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()
        (self._folder / self._name).unlink(missing_ok=True)


def _socket_folder(folder: Path) -> Path:
    place = folder / "wake"
    if len(os.fsencode(place)) <= MAX_FOLDER_BYTES:
        place.mkdir(exist_ok=True)
        return place
    place = Path(tempfile.gettempdir()) / f"myeye-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
    place.mkdir(mode=0o700, exist_ok=True)
    if place.stat().st_uid != os.geteuid():
        raise ConfigurationError(f"{place} belongs to another user; give the broker a folder with a shorter path than {folder}")
    return place
