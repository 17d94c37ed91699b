"""The annotated video: WebM of even sides, no larger than it needs to be, or none where the codec is missing."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from worker.annotate import colour_of
from worker.detection import Box
from worker.video.writer import Writer


def written(path: Path, width_px: int, height_px: int, box: Box, frames: int = 3) -> np.ndarray:
    """Write grey frames with a box in each, read them back, and give the last."""
    with tempfile.TemporaryFile() as file:
        with Writer(file.fileno(), width_px, height_px, 5.0) as writer:
            assert writer.usable
            for _ in range(frames):
                writer.write(np.full((height_px, width_px, 3), 128, np.uint8), [box])
            size = writer.finish()
        path.write_bytes(file.read())
    assert path.stat().st_size == size
    assert b"webm" in path.read_bytes()[:64]
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    read = []
    while capture.grab():
        read.append(capture.retrieve()[1])
    assert len(read) == frames
    return read[-1]


@pytest.mark.parametrize(
    ("size", "drawn"), [((320, 240), (320, 240)), ((321, 241), (320, 240)), ((1920, 1080), (1280, 720)), ((90, 2560), (44, 1280))]
)
def test_it_is_as_large_as_the_video_with_even_sides_up_to_a_limit(
    tmp_path: Path, size: tuple[int, int], drawn: tuple[int, int]
) -> None:
    last = written(tmp_path / "drawn.webm", *size, Box("cat", 0.9, 1, 1, 10, 10))
    assert last.shape == (drawn[1], drawn[0], 3)


def test_boxes_are_drawn_where_they_are_also_when_it_is_smaller(tmp_path: Path) -> None:
    last = written(tmp_path / "drawn.webm", 2560, 1440, Box("cat", 0.9, 400, 600, 1200, 400))
    expected = np.array(colour_of("cat"), np.int32)
    for x, y in ((200, 400), (500, 500), (799, 400)):  # left, bottom and right edge, at half size
        near = last[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).astype(np.int32)
        assert np.abs(near - expected).sum(axis=1).min() < 120
    assert np.abs(last[400, 500].astype(np.int32) - 128).max() < 10, "nothing inside"


def test_a_codec_that_is_not_there_is_said() -> None:
    with tempfile.TemporaryFile() as file, Writer(file.fileno(), 320, 240, 5.0, codec="AV01") as writer:
        assert not writer.usable


def test_a_file_that_was_not_written_whole_is_an_error() -> None:
    with tempfile.TemporaryFile() as file, Writer(file.fileno(), 320, 240, 5.0) as writer:
        writer.write(np.zeros((240, 320, 3), np.uint8), [])
        writer._writer.release()
        file.truncate(100)
        with pytest.raises(OSError, match="not written whole"):
            writer.finish()
