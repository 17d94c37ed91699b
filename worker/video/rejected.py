"""What a video can be wrong in."""

from __future__ import annotations


class VideoRejected(Exception):
    """The video can never be looked at (any further).

    The reason is VIDEO_INVALID, VIDEO_TRUNCATED, VIDEO_TOO_LONG, VIDEO_UNSUPPORTED or IMAGE_TOO_LARGE.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
