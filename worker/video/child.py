"""The video process, `python -m worker.video.child`: started by the worker for one video, and by nobody else.

A hostile file can do its worst in here: FFmpeg is told to open local files of three containers only, and what it still gets wrong
ends this process and nothing more.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
import traceback
from collections.abc import Sequence

from worker.line import Line
from worker.sandbox import confine
from worker.video.orders import Orders
from worker.video.wire import VIDEO, Message
from worker.wire import Ready, Unusable

FFMPEG = {
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": "protocol_whitelist;file|format_whitelist;mov,matroska,avi",
    # Half an hour of sound between two frames is no end. More would be a hang where a file cannot be read on.
    "OPENCV_FFMPEG_READ_ATTEMPTS": "100000",
}


def main(arguments: Sequence[str]) -> int:
    """Give frames until the worker closes the line. Give 0 then, 1 when that is not possible here."""
    orders = Orders.parse(arguments)
    confine(orders.memory_bytes)
    os.environ.update(FFMPEG)
    line: Line[Message] = Line(socket.socket(fileno=orders.socket_fd), VIDEO)
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        traceback.print_exc()
        line.send(Unusable(f"OpenCV cannot be loaded: {error}"))
        return 1
    cv2.setNumThreads(1)
    from worker.video.duty import work

    line.send(Ready())
    work(line, orders)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
