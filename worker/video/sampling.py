"""Which frames of a video are looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass

SLACK_S = 0.002
"""How early a frame may come to its step: containers round times, Matroska to milliseconds."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """From `start_s` up to `end_s`, itself left out, at most `max_fps` frames a second. Times count from the first frame."""

    start_s: float
    end_s: float
    max_fps: float

    def step(self, time_s: float) -> int | None:
        """Give the number of the step that a frame falls into; None before the start."""
        number = math.floor((time_s - self.start_s + SLACK_S) * self.max_fps)
        return number if number >= 0 else None

    def over(self, time_s: float) -> bool:
        return time_s >= self.end_s

    def estimate(self, duration_s: float | None, fps: float) -> int:
        """Say how many frames of a video that will be, by what it says of itself; 0 when nothing can be said."""
        end_s = self.end_s if duration_s is None else min(self.end_s, duration_s)
        if math.isinf(end_s):
            return 0
        rate = min(self.max_fps, fps) if fps > 0 else self.max_fps
        return max(0, math.ceil((end_s - self.start_s) * rate - 1e-6))
