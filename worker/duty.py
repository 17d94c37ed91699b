"""What a detector process does all day: one thread reads and decodes the next picture while the main one detects."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np

from worker.annotate import annotate
from worker.detection import DetectOutcome, DetectRequest, PictureRejected, Stage
from worker.detector import Detector, Options
from worker.line import Line
from worker.picture import Picture, decode
from worker.wire import Broke, Entered, Found, Look, Message, Rejected


@dataclass(frozen=True, slots=True)
class _Decoded:
    number: int
    request: DetectRequest
    options: Options
    picture: Picture
    decode_s: float


class Duty:
    """Answers what comes over the line with a detector, which it owns."""

    def __init__(self, line: Line[Message], detector: Detector, *, max_pixels: int) -> None:
        self._line = line
        self._detector = detector
        self._max_pixels = max_pixels
        self._decoded: SimpleQueue[_Decoded | None] = SimpleQueue()

    def rehearse(self) -> None:
        """Look at a grey picture, so that the first real one does not wait for what is loaded on first use."""
        request = DetectRequest(b"", None, 1, (), (), annotate=False)
        grey = Picture(np.full((320, 320, 3), 128, np.uint8), 320, 320)
        self._detector.detect(grey, Options.of(request, self._detector.model), max_results=1)

    def work(self) -> None:
        """Answer until the pool closes the line.

        Raises:
            Exception: whatever broke the detector. The pool has been told over which request; the process must end.
        """
        threading.Thread(target=self._decode_all, name="decode", daemon=True).start()
        while (decoded := self._decoded.get()) is not None:
            with self._answering(decoded.number):
                self._look(decoded)

    def close(self) -> None:
        self._detector.close()

    @contextmanager
    def _answering(self, number: int) -> Iterator[None]:
        """Tell the pool when a request cannot be done."""
        try:
            yield
        except PictureRejected as error:
            self._line.send(Rejected(number, error.reason, error.message))
        except Exception:
            self._line.send(Broke(number))
            raise

    def _decode_all(self) -> None:
        try:
            while isinstance(message := self._line.receive(), Look):
                with self._answering(message.number):
                    self._decode(message.number, message.request)
        finally:
            self._decoded.put(None)

    def _decode(self, number: int, request: DetectRequest) -> None:
        self._line.send(Entered(number, Stage.DECODING))
        begun_s = time.perf_counter()
        options = Options.of(request, self._detector.model)
        picture = decode(request.picture, max_pixels=self._max_pixels, full_size=request.annotate)
        self._decoded.put(_Decoded(number, request, options, picture, time.perf_counter() - begun_s))

    def _look(self, decoded: _Decoded) -> None:
        request, picture = decoded.request, decoded.picture
        self._line.send(Entered(decoded.number, Stage.DETECTING))
        begun_s = time.perf_counter()
        boxes = self._detector.detect(picture, decoded.options, max_results=request.max_results)
        detected_s = annotated_s = time.perf_counter()
        annotated = b""
        if request.annotate:
            self._line.send(Entered(decoded.number, Stage.ANNOTATING))
            annotated = annotate(picture.pixels, boxes)
            annotated_s = time.perf_counter()
        outcome = DetectOutcome(
            width_px=picture.width_px,
            height_px=picture.height_px,
            boxes=boxes,
            annotated=annotated,
            decode_s=decoded.decode_s,
            detect_s=detected_s - begun_s,
            annotate_s=annotated_s - detected_s,
        )
        self._line.send(Found(decoded.number, outcome))
