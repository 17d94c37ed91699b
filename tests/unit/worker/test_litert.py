"""What LiteRT's raw outputs become: boxes of the picture, each category by itself."""

from __future__ import annotations

import numpy as np
import pytest

from worker.anchors import BoxCoding
from worker.litert_detector import PADDING, fit, suppress


@pytest.mark.parametrize(
    ("height", "width", "across", "down"), [(100, 400, 1.0, 0.25), (400, 100, 0.25, 1.0), (50, 50, 1.0, 1.0)]
)
def test_a_picture_is_fitted_without_being_stretched(height: int, width: int, across: float, down: float) -> None:
    square, *parts = fit(np.full((height, width, 3), 10, np.uint8), 200)
    assert parts == [across, down]
    inside = square[: int(200 * down), : int(200 * across)]
    assert (inside == 10).all()
    assert (square == 10).sum() == inside.size
    assert ((square == 10) | (square == PADDING)).all()


def test_the_thinnest_picture_keeps_a_pixel() -> None:
    assert fit(np.zeros((1, 3000, 3), np.uint8), 320)[1:] == (1.0, 1 / 320)


def test_boxes_are_offsets_from_their_anchors() -> None:
    anchors = np.array([[0.5, 0.5, 0.2, 0.4], [0.1, 0.2, 0.2, 0.2]], np.float32)
    raw = np.array([[0.5, -0.5, 0.0, np.log(2)], [0, 0, 0, 0]], np.float32)  # y, x, height, width
    coding = BoxCoding(anchors, np.ones(4, np.float32), exponential=True, logits=False)
    corners = coding.corners(raw, np.array([1, 0]))
    assert corners == pytest.approx(np.array([[0.0, 0.1, 0.2, 0.3], [0.2, 0.5, 0.6, 0.9]]), abs=1e-6)


def test_scales_divide_the_offsets() -> None:
    anchors = np.array([[0.5, 0.5, 0.2, 0.2]], np.float32)
    coding = BoxCoding(anchors, np.array([10, 10, 5, 5], np.float32), exponential=False, logits=False)
    corners = coding.corners(np.array([[10, 20, 5, 10]], np.float32), np.array([0]))
    assert corners == pytest.approx(np.array([[0.7, 0.6, 1.1, 0.8]]), abs=1e-6)


def test_a_box_suppresses_lesser_ones_of_its_own_category_only() -> None:
    box, near, far = [0.1, 0.1, 0.5, 0.5], [0.12, 0.1, 0.52, 0.5], [0.6, 0.6, 0.9, 0.9]
    corners = np.array([near, box, near, far], np.float32)
    scores, categories = np.array([0.5, 0.9, 0.6, 0.7], np.float32), np.array([1, 1, 2, 1])
    assert suppress(corners, scores, categories) == [1, 3, 2]


def test_boxes_that_overlap_by_half_or_less_all_stay() -> None:
    corners = np.array([[0.0, 0.0, 0.4, 0.4], [0.14, 0.0, 0.54, 0.4]], np.float32)  # 0.26 of 0.54: less than half
    assert suppress(corners, np.array([0.9, 0.8], np.float32), np.array([1, 1])) == [0, 1]


def test_nothing_found_is_nothing() -> None:
    assert suppress(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.intp)) == []
