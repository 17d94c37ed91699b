"""Boxes drawn on a picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from worker.annotate import MAX_JPEG_SIDE_PX, annotate, colour_of
from worker.detection import Box, PictureRejected
from worker.picture import Pixels


def grey(width_px: int, height_px: int) -> Pixels:
    return np.full((height_px, width_px, 3), 128, np.uint8)


def drawn(pixels: Pixels, *boxes: Box) -> Pixels:
    return np.asarray(cv2.imdecode(np.frombuffer(annotate(pixels, boxes), np.uint8), cv2.IMREAD_COLOR), np.uint8)


def touched(picture: Pixels) -> tuple[int, int, int, int]:
    """Give left, top, right and bottom of what is no longer grey. JPEG blurs a little."""
    rows, columns = np.nonzero(np.abs(picture.astype(int) - 128).max(axis=2) > 40)
    return columns.min(), rows.min(), columns.max(), rows.max()


def test_a_jpeg_of_the_same_size_comes_out_and_the_pixels_stay_as_they_were() -> None:
    pixels = grey(300, 200)
    assert drawn(pixels, Box("cat", 0.9, 50, 60, 100, 80)).shape == (200, 300, 3)
    assert (pixels == 128).all()


def test_without_boxes_the_picture_is_as_it_was() -> None:
    assert np.abs(drawn(grey(64, 64)).astype(int) - 128).max() <= 2


def test_colours_stay_what_they_are() -> None:
    red = np.zeros((64, 64, 3), np.uint8)
    red[:, :, 0] = 255
    blue, green, amber = drawn(red)[32, 32]
    assert amber > 240
    assert max(blue, green) < 20


def test_the_edges_of_a_box_are_drawn_and_its_label_above() -> None:
    left, top, right, bottom = touched(drawn(grey(600, 400), Box("cat", 0.9, 200, 150, 300, 200)))
    assert abs(left - 200) <= 3
    assert abs(right - 499) <= 3
    assert abs(bottom - 349) <= 3
    assert 100 < top < 148


def test_a_label_stays_in_the_picture_where_there_is_no_room_above() -> None:
    _, _, right, bottom = touched(drawn(grey(600, 400), Box("a rather long label", 0.9, 560, 0, 40, 40)))
    assert right == 599
    assert bottom < 60


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3)])
def test_a_picture_of_an_odd_shape_can_be_drawn_on(size: tuple[int, int]) -> None:
    width_px, height_px = size
    assert drawn(grey(width_px, height_px), Box("cat", 0.5, 0, 0, width_px, height_px)).shape == (height_px, width_px, 3)


def test_a_category_has_a_colour_of_its_own_and_keeps_it() -> None:
    assert colour_of("person") == colour_of("person")
    assert len({colour_of(category) for category in ("person", "car", "dog", "cat", "bus")}) == 5


def test_what_jpeg_cannot_hold_is_refused() -> None:
    with pytest.raises(PictureRejected, match="annotated") as caught:
        annotate(grey(MAX_JPEG_SIDE_PX + 1, 1), [])
    assert caught.value.reason == "IMAGE_TOO_LARGE"
