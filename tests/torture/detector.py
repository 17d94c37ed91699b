"""A detector process that keeps to the protocol and does what its pictures say. The pool starts it; see `worker`.

A picture is "<nature>:<anything>", and its nature is one of
good (found at once), slow (found after a moment), bad (no picture), poison (the process dies over it), hang (never answered).
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import sys
import time

from worker.detection import Box, DetectOutcome, Stage
from worker.line import Line
from worker.orders import Orders
from worker.sandbox import confine
from worker.wire import DETECTOR, Entered, Found, Look, Ready, Rejected

SLOW_S = 0.3


def finding(content: bytes) -> str:
    """Say what is found in a picture: a category of its own."""
    return hashlib.sha256(content).hexdigest()[:16]


def annotated(content: bytes) -> bytes:
    """Draw on a picture."""
    return b"drawn on " + content


def main(arguments: list[str]) -> None:
    orders = Orders.parse(arguments)
    confine(orders.memory_bytes)
    line = Line(socket.socket(fileno=orders.socket_fd), DETECTOR)
    line.send(Ready())
    while isinstance(message := line.receive(), Look):
        look(line, message)


def look(line: Line, message: Look) -> None:
    picture = message.request.picture
    line.send(Entered(message.number, Stage.DETECTING))
    match picture.partition(b":")[0]:
        case b"bad":
            line.send(Rejected(message.number, "IMAGE_INVALID", "not a picture"))
            return
        case b"poison":
            os.kill(os.getpid(), signal.SIGSEGV)
        case b"hang":
            signal.pause()
        case b"slow":
            time.sleep(SLOW_S)
    box = Box(finding(picture), 1.0, 0, 0, 1, 1)
    drawn = annotated(picture) if message.request.annotate else b""
    line.send(Found(message.number, DetectOutcome(1, 1, (box,), drawn, 0.0, 0.0, 0.0)))


if __name__ == "__main__":
    main(sys.argv[1:])
