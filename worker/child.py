"""The detector process, `python -m worker.child`: started by the pool and by nobody else.

A native crash, a hang or a leak stays in here. Nothing heavy is imported before the limits are set, and what is missing on
this machine is told to the pool in words that an operator can act on.
"""

from __future__ import annotations

import importlib
import socket
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from worker.detection import Engine
from worker.line import Line
from worker.orders import Orders
from worker.sandbox import confine
from worker.wire import DETECTOR, Message, Ready, Unusable

if TYPE_CHECKING:
    from worker.detector import Detector
    from worker.duty import Duty

_LIBRARIES = "on Debian and Ubuntu, `scripts/system-packages worker` installs the libraries that it needs"
_NAMES = {Engine.MEDIAPIPE: "MediaPipe", Engine.LITERT: "LiteRT"}
_BROKEN_CV2 = (
    "OpenCV is broken, for one of its two packages was removed or replaced: "
    "`pip install --force-reinstall --no-deps opencv-contrib-python` repairs it"
)


class _Missing(Exception):
    """What this machine lacks."""


def main(arguments: Sequence[str]) -> int:
    """Look at pictures until the pool closes the line. Give 0 then, 1 when that is not possible here."""
    orders = Orders.parse(arguments)
    confine(orders.memory_bytes)
    line = Line(socket.socket(fileno=orders.socket_fd), DETECTOR)
    try:
        duty = _prepare(line, orders)
    except _Missing as error:
        traceback.print_exc()
        line.send(Unusable(str(error)))
        return 1
    try:
        line.send(Ready())
        duty.work()
    finally:
        duty.close()
    return 0


def _prepare(line: Line[Message], orders: Orders) -> Duty:
    """Load everything and look at a first picture."""
    _load_libraries(orders.model.engine)
    from worker.duty import Duty

    name = _NAMES[orders.model.engine]
    try:
        duty = Duty(line, _open(orders), max_pixels=orders.max_pixels)
        duty.rehearse()
    except Exception as error:  # both raise RuntimeError, OSError, ValueError … for a library or a model they cannot use
        raise _Missing(f"{name} cannot use model {orders.path}: {error}; {_LIBRARIES}") from error
    return duty


def _open(orders: Orders) -> Detector:
    if orders.model.engine is Engine.LITERT:
        from worker.litert_detector import LiteRTDetector

        return LiteRTDetector(orders.path, orders.model)
    from worker.mediapipe_detector import MediaPipeDetector

    return MediaPipeDetector(orders.path, orders.model)


def _load_libraries(engine: Engine) -> None:
    libraries = [("cv2", "OpenCV", _LIBRARIES), ("PIL.Image", "Pillow", _LIBRARIES), ("mediapipe", "MediaPipe", _LIBRARIES)]
    if engine is Engine.LITERT:
        libraries.append(("ai_edge_litert.interpreter", "LiteRT", "`pip install 'myeye-server[litert]'` installs it"))
    for module, name, remedy in libraries:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise _Missing(f"{name} cannot be loaded: {error}; {remedy}") from error
    import cv2
    from PIL import Image

    if not hasattr(cv2, "imdecode"):
        raise _Missing(_BROKEN_CV2)
    cv2.setNumThreads(1)
    Image.MAX_IMAGE_PIXELS = None  # the limit of this worker, which `picture` checks, takes its place


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
