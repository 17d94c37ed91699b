"""Detection with nothing around it: processes that decode in full and detect, one picture after the other. It is the limit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier
from typing import Any

from bench.load import Pace
from bench.usage import WORKERS, Reading
from worker.sandbox import environment

MAX_PIXELS = 64_000_000


@dataclass(frozen=True, slots=True)
class BareLoop:
    """Processes with a detector each, warmed up."""

    executor: ProcessPoolExecutor
    pids: Sequence[int]

    def run(self, pictures: Sequence[bytes], count: int) -> Pace:
        """Detect in `count` pictures, as fast as it goes, after as many as there are processes to warm up."""
        list(self.executor.map(detect, islice(cycle(pictures), len(self.pids))))
        roles = {WORKERS: self.pids}
        start = Reading.take(roles)
        list(self.executor.map(detect, islice(cycle(pictures), count)))
        return Pace(count, Reading.take(roles).since(start))


@contextmanager
def bare_loop(model: Path, processes: int) -> Iterator[BareLoop]:
    """Start the processes, and give them when all have loaded the model."""
    context = get_context("spawn")
    all_there = context.Barrier(processes)
    with ProcessPoolExecutor(processes, context, initializer=Detector.load, initargs=(model, all_there)) as executor:
        pids = set(executor.map(_meet, range(processes)))
        yield BareLoop(executor, sorted(pids))


class Detector:
    """What a process of the loop keeps between pictures."""

    loaded: Any
    all_there: Barrier

    @classmethod
    def load(cls, model: Path, all_there: Barrier) -> None:
        os.environ.update(environment(os.environ, max_pixels=MAX_PIXELS))  # before the import: MediaPipe is not to phone home
        import cv2
        from mediapipe.tasks.python.core.base_options import BaseOptions
        from mediapipe.tasks.python.vision.object_detector import ObjectDetector, ObjectDetectorOptions

        cv2.setNumThreads(1)
        options = ObjectDetectorOptions(BaseOptions(model_asset_path=str(model)), score_threshold=0.3, max_results=100)
        cls.loaded = ObjectDetector.create_from_options(options)
        cls.all_there = all_there


def _meet(_: int) -> int:
    Detector.all_there.wait()
    return os.getpid()


def detect(picture: bytes) -> int:
    import cv2
    import mediapipe as mp
    import numpy as np

    decoded = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    pixels = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    return len(Detector.loaded.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=pixels)).detections)
