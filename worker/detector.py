"""MediaPipe's ObjectDetector, the way the worker needs it. The only file that imports mediapipe."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mediapipe as mp
from mediapipe.tasks.python.core.base_options import BaseOptions
from mediapipe.tasks.python.vision.object_detector import ObjectDetector, ObjectDetectorOptions

from worker.detection import Box, DetectRequest, Model, PictureRejected
from worker.picture import Picture

MIN_SCORE_THRESHOLD = 0.05
"""A lower request is raised to this: near 0, suppressing 19,206 anchors takes up to five times as long as the model itself."""
MAX_RESULTS = 100
KEPT = 3
"""Detectors at hand. Their options are fixed when they are made, which takes about as long as one picture."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a MediaPipe detector is made with. How many results are wanted is not among them: fewer are the first of many."""

    score_threshold: float
    category_allowlist: tuple[str, ...]
    category_denylist: tuple[str, ...]


class Detector:
    """A model, and the MediaPipe detectors that were made of it last. Not for several threads at once.

    After any exception but PictureRejected its detectors may be broken for good: the process must be replaced.
    """

    def __init__(self, path: Path, model: Model) -> None:
        self._path = path
        self._model = model
        self._kept: OrderedDict[Options, Any] = OrderedDict()

    def options(self, request: DetectRequest) -> Options:
        """Say how to look.

        Raises:
            PictureRejected: a category is not one of the model's.
        """
        for category in (*request.category_allowlist, *request.category_denylist):
            if category not in self._model.categories:
                raise PictureRejected("CATEGORY_UNKNOWN", f"model {self._model.name} has no category {category!r}")
        asked = self._model.default_score_threshold if request.score_threshold is None else request.score_threshold
        return Options(max(asked, MIN_SCORE_THRESHOLD), request.category_allowlist, request.category_denylist)

    def detect(self, picture: Picture, options: Options, *, max_results: int) -> tuple[Box, ...]:
        """Find what is in a picture, best first."""
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=picture.pixels)
        result = self._detector(options).detect(image)
        boxes = (_box(found, picture) for found in result.detections)
        return tuple(box for box in boxes if box is not None)[:max_results]

    def close(self) -> None:
        """Let MediaPipe go; without this it complains at the interpreter's end."""
        while self._kept:
            self._kept.popitem()[1].close()

    def _detector(self, options: Options) -> Any:
        if options not in self._kept:
            self._kept[options] = self._make(options)
        self._kept.move_to_end(options)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)[1].close()
        return self._kept[options]

    def _make(self, options: Options) -> Any:
        return ObjectDetector.create_from_options(
            ObjectDetectorOptions(
                base_options=BaseOptions(model_asset_path=str(self._path)),
                score_threshold=options.score_threshold,
                max_results=MAX_RESULTS,
                category_allowlist=list(options.category_allowlist) or None,
                category_denylist=list(options.category_denylist) or None,
            )
        )


def _box(found: Any, picture: Picture) -> Box | None:
    """Scale a box to the original picture and clip it there; None when nothing of it is left."""
    height_px, width_px = picture.pixels.shape[:2]
    across, down = picture.width_px / width_px, picture.height_px / height_px
    box, category = found.bounding_box, found.categories[0]
    left, right = _clip(box.origin_x * across, (box.origin_x + box.width) * across, picture.width_px)
    top, bottom = _clip(box.origin_y * down, (box.origin_y + box.height) * down, picture.height_px)
    if left == right or top == bottom:
        return None
    return Box(category.category_name, float(category.score), left, top, right - left, bottom - top)


def _clip(low: float, high: float, length_px: int) -> tuple[int, int]:
    return min(max(round(low), 0), length_px), min(max(round(high), 0), length_px)
