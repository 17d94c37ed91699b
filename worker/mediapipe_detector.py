"""MediaPipe's ObjectDetector, the way the worker needs it."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import mediapipe as mp
from mediapipe.tasks.python.core.base_options import BaseOptions
from mediapipe.tasks.python.vision.object_detector import ObjectDetector, ObjectDetectorOptions

from worker.detection import Box, Model
from worker.detector import MAX_RESULTS, Options, box_in
from worker.picture import Picture

KEPT = 3
"""Detectors at hand. Their options are fixed when they are made, which takes about as long as one picture."""


class MediaPipeDetector:
    """A model, and the MediaPipe detectors that were made of it last."""

    def __init__(self, path: Path, model: Model) -> None:
        self.model = model
        self._path = path
        self._kept: OrderedDict[Options, Any] = OrderedDict()

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
    height_px, width_px = picture.pixels.shape[:2]
    box, category = found.bounding_box, found.categories[0]
    right, bottom = box.origin_x + box.width, box.origin_y + box.height
    corners = box.origin_x / width_px, box.origin_y / height_px, right / width_px, bottom / height_px
    return box_in(picture, category.category_name, float(category.score), corners)
