"""How to look at a picture, whatever engine looks, and its boxes in pixels of the original."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from worker.detection import Box, DetectRequest, Model, PictureRejected
from worker.picture import Picture

MIN_SCORE_THRESHOLD = 0.05
"""A lower request is raised to this: near 0, suppressing 19,206 anchors takes up to five times as long as the model itself."""
MAX_RESULTS = 100


@dataclass(frozen=True, slots=True)
class Options:
    """What is looked for. How many results are wanted is not among them: fewer are the first of many."""

    score_threshold: float
    category_allowlist: tuple[str, ...]
    category_denylist: tuple[str, ...]

    @classmethod
    def of(cls, request: DetectRequest, model: Model) -> Options:
        """Say how to look.

        Raises:
            PictureRejected: a category is not one of the model's.
        """
        for category in (*request.category_allowlist, *request.category_denylist):
            if category not in model.categories:
                raise PictureRejected("CATEGORY_UNKNOWN", f"model {model.name} has no category {category!r}")
        asked = model.default_score_threshold if request.score_threshold is None else request.score_threshold
        return cls(max(asked, MIN_SCORE_THRESHOLD), request.category_allowlist, request.category_denylist)


class Detector(Protocol):
    """A model in an engine. Not for several threads at once.

    After any exception but PictureRejected it may be broken for good: the process must be replaced.
    """

    @property
    def model(self) -> Model: ...

    def detect(self, picture: Picture, options: Options, *, max_results: int) -> tuple[Box, ...]:
        """Find what is in a picture, best first."""

    def close(self) -> None: ...


def box_in(picture: Picture, category: str, score: float, corners: tuple[float, float, float, float]) -> Box | None:
    """Scale a box (left, top, right, bottom, in fractions) to the original and clip it there; None when nothing of it is left."""
    left, right = _clip(corners[0] * picture.width_px, corners[2] * picture.width_px, picture.width_px)
    top, bottom = _clip(corners[1] * picture.height_px, corners[3] * picture.height_px, picture.height_px)
    if left == right or top == bottom:
        return None
    return Box(category, score, left, top, right - left, bottom - top)


def _clip(low: float, high: float, length_px: int) -> tuple[int, int]:
    return min(max(round(low), 0), length_px), min(max(round(high), 0), length_px)
