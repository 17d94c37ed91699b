"""A detector process that keeps to the protocol and does what its pictures say: crash, hang, break, wait at a gate."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from worker.detection import Box, DetectOutcome, Stage
from worker.line import Line
from worker.orders import Orders
from worker.sandbox import confine
from worker.wire import DETECTOR, Broke, Entered, Found, Look, Ready, Rejected, Unusable


def main(mode: str, arguments: list[str]) -> int:
    orders = Orders.parse(arguments)
    confine(orders.memory_bytes)
    line = Line(socket.socket(fileno=orders.socket_fd), DETECTOR)
    if mode == "unusable":
        line.send(Unusable("libGL.so.1 is missing"))
        return 1
    if mode == "dies" or (mode.startswith("once:") and not first_time(mode.removeprefix("once:"))):
        sys.stdout.write("cannot go on\n")
        return 7
    if mode == "silent":
        signal.pause()
    line.send(Ready())
    while isinstance(message := line.receive(), Look):
        look(line, message)
    return 0


def first_time(path: str) -> bool:
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def look(line: Line, message: Look) -> None:
    line.send(Entered(message.number, Stage.DECODING))
    what, _, rest = message.request.picture.decode().partition(":")
    match what:
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "crash-once" if first_time(rest):
            os.kill(os.getpid(), signal.SIGSEGV)
        case "crash-and-count":
            with Path(rest).open("a") as tally:
                tally.write("x")
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            line.send(Entered(message.number, Stage.DETECTING))
            signal.pause()
        case "babble":
            os.write(line._connection.fileno(), b"\xff" * 64)
            signal.pause()
        case "gate":  # a named pipe: opening it waits for the test to open the other end
            line.send(Entered(message.number, Stage.DETECTING))
            Path(rest).read_bytes()
        case "broke":
            line.send(Broke(message.number))
            signal.pause()
        case "reject":
            line.send(Rejected(message.number, "IMAGE_INVALID", "not a picture"))
            return
    line.send(Entered(message.number, Stage.DETECTING))
    box = Box(str(os.getpid()), 1.0, 0, 0, 1, 1)  # the category tells which process it was
    line.send(Found(message.number, DetectOutcome(1, 1, (box,), b"", 0.0, 0.0, 0.0)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
