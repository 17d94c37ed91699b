"""The same model files in LiteRT, without MediaPipe around them: less work a picture, and better boxes.

MediaPipe stretches every picture to the model's square and lets a box suppress those of other categories. Here the aspect ratio
is kept, and a box suppresses only those of its own category.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from worker.anchors import Floats, UnusableModel, read_box_coding
from worker.detection import Box, Model
from worker.detector import MAX_RESULTS, Options, box_in
from worker.models import label_list
from worker.picture import Picture, Pixels

Indices = NDArray[np.intp]

PADDING = 127
"""The grey that a model takes for nothing: it is trained on pictures that are padded with the middle of its input's range."""
MAX_OVERLAP = 0.5
"""Intersection over union beyond which the better of two boxes of one category suppresses the other."""


class LiteRTDetector:
    """A model with raw boxes and scores as outputs, and the interpreter that runs it on one thread.

    Raises:
        UnusableModel: the model is of another kind.
    """

    def __init__(self, path: Path, model: Model) -> None:
        self.model = model
        self._labels = label_list(path)
        self._coding = read_box_coding(path)
        self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        (given,) = self._interpreter.get_input_details()
        if given["dtype"] is not np.uint8 or given["shape"][1] != given["shape"][2] or given["shape"][3] != 3:
            raise UnusableModel(f"{path} does not take square pictures of bytes")
        self._input, self._side_px = given["index"], int(given["shape"][1])
        outputs = {int(each["shape"][-1]): each for each in self._interpreter.get_output_details()}
        anchors = len(self._coding.anchors)
        if set(outputs) != {4, len(self._labels)} or any(tuple(each["shape"][:2]) != (1, anchors) for each in outputs.values()):
            raise UnusableModel(f"{path} does not give a box and a score of each label for each of {anchors} anchors")
        self._boxes, self._scores = outputs[4]["index"], outputs[len(self._labels)]["index"]

    def detect(self, picture: Picture, options: Options, *, max_results: int) -> tuple[Box, ...]:
        """Find what is in a picture, best first."""
        fitted, across, down = fit(picture.pixels, self._side_px)
        self._interpreter.set_tensor(self._input, fitted[np.newaxis])
        self._interpreter.invoke()
        columns = self._columns(options)
        scores = self._interpreter.get_tensor(self._scores)[0]
        indices, chosen, best = _candidates(scores, columns, options.score_threshold, logits=self._coding.logits)
        corners = self._coding.corners(self._interpreter.get_tensor(self._boxes)[0], indices)
        corners /= np.array((across, down, across, down), np.float32)
        kept = suppress(corners, best, chosen)
        boxes = (
            box_in(picture, self._labels[chosen[each]], float(best[each]), tuple(map(float, corners[each])))  # type: ignore[arg-type]
            for each in kept
        )
        return tuple(box for box in boxes if box is not None)[:max_results]

    def close(self) -> None: ...

    def _columns(self, options: Options) -> Indices:
        wanted = set(options.category_allowlist or self.model.categories) - set(options.category_denylist)
        return np.array([number for number, label in enumerate(self._labels) if label in wanted], np.intp)


def fit(pixels: Pixels, side_px: int) -> tuple[Pixels, float, float]:
    """Scale a picture into the upper left of a padded square, and give the part of it that it takes across and down."""
    height_px, width_px = pixels.shape[:2]
    scale = side_px / max(height_px, width_px)
    size = max(1, round(width_px * scale)), max(1, round(height_px * scale))
    square = np.full((side_px, side_px, 3), PADDING, np.uint8)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square[: size[1], : size[0]] = cv2.resize(pixels, size, interpolation=how)
    return square, size[0] / side_px, size[1] / side_px


def _candidates(scores: Floats, columns: Indices, threshold: float, *, logits: bool) -> tuple[Indices, Indices, Floats]:
    """Give the anchors whose best score in these columns is high enough, that column, and that score."""
    least = math.log(threshold / (1 - threshold)) if logits and threshold < 1 else threshold
    promising = np.flatnonzero(scores.max(axis=1) >= least)  # a few of thousands, before anything dearer
    allowed = scores[np.ix_(promising, columns)]
    best = allowed.max(axis=1, initial=-np.inf)
    passing = best >= least
    chosen = columns[allowed[passing].argmax(axis=1)] if len(columns) else columns
    best = best[passing]
    return promising[passing], chosen, 1 / (1 + np.exp(-best)) if logits else best


def suppress(corners: Floats, scores: Floats, categories: Indices) -> list[int]:
    """Give the boxes that no better one of their category overlaps too much, best first, at most MAX_RESULTS."""
    if not len(corners):
        return []
    sized = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)
    kept = cv2.dnn.NMSBoxesBatched(sized.tolist(), scores.tolist(), categories.tolist(), 0.0, MAX_OVERLAP)
    return sorted((int(each) for each in kept), key=lambda each: -scores[each])[:MAX_RESULTS]
