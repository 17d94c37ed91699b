"""What went wrong is told in our own words: reasons are part of the contract, texts of libraries are not."""

from __future__ import annotations

import pytest

from dispatch.errors import BlobNotFound, BlobUnavailable
from worker.detection import DetectorFailed, PictureRejected
from worker.failure import failure_of
from worker.video.rejected import VideoRejected


@pytest.mark.parametrize(
    ("error", "reason", "retryable"),
    [
        (PictureRejected("IMAGE_INVALID", "not a picture"), "IMAGE_INVALID", False),
        (VideoRejected("VIDEO_TRUNCATED", "cut short"), "VIDEO_TRUNCATED", False),
        (BlobNotFound("jobs/x/0/input"), "INPUT_MISSING", False),
        (DetectorFailed("DETECTOR_CRASHED", "the detector ended"), "DETECTOR_CRASHED", True),
        (BlobUnavailable("disk full"), "BLOB_UNAVAILABLE", True),
        (TimeoutError(), "EXECUTION_TIMEOUT", True),
        (KeyError("secret"), "INTERNAL", True),
    ],
)
def test_each_error_has_its_reason_and_says_whether_another_attempt_helps(error: Exception, reason: str, retryable: bool) -> None:
    what = failure_of(error)
    assert (what.failure.reason, what.retryable) == (reason, retryable)


def test_the_words_of_unexpected_errors_and_of_drivers_stay_inside() -> None:
    for error in (KeyError("secret"), BlobUnavailable("secret"), BlobNotFound("secret")):
        assert "secret" not in failure_of(error).failure.message
