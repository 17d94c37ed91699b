"""A field holds what it is declared to hold, or the message is none."""

from __future__ import annotations

from typing import Any

import pytest

from worker.detection import Box, DetectOutcome, Stage
from worker.field_types import MAX_INT, check_fields
from worker.video.wire import Opened
from worker.wire import Broke, Entered, Found, Rejected

OUTCOME = DetectOutcome(640, 480, (Box("cat", 1, 1, 2, 3, 4),), b"", 0.1, 0.2, 0)


@pytest.mark.parametrize(
    "message",
    [
        Broke(MAX_INT),
        Entered(1, Stage.DETECTING),
        Found(1, OUTCOME),
        Opened(1, 1, 0.0, None, 0, annotated=False),
        Opened(1, 1, 25, 2.5, 0, annotated=True),
    ],
)
def test_what_is_declared_passes(message: Any) -> None:
    check_fields(message)


def box(**changes: Any) -> Box:
    return Box(**({"category": "cat", "score": 0.5, "x_px": 1, "y_px": 2, "width_px": 3, "height_px": 4} | changes))


@pytest.mark.parametrize(
    "message",
    [
        Broke([1]),  # type: ignore[arg-type]  # a key of no dictionary: it would break the pool
        Broke(True),
        Broke(MAX_INT + 1),
        Broke(1.0),  # type: ignore[arg-type]
        Rejected(1, None, "text"),  # type: ignore[arg-type]
        Entered(1, 2),  # type: ignore[arg-type]
        Found(1, "nothing"),  # type: ignore[arg-type]
        Found(1, DetectOutcome(640, 480, (box(score="high"),), b"", 0.1, 0.2, 0.3)),
        Found(1, DetectOutcome(640, 480, (box(score=float("nan")),), b"", 0.1, 0.2, 0.3)),
        Found(1, DetectOutcome(640, 480, (box(score=10**400),), b"", 0.1, 0.2, 0.3)),
        Found(1, DetectOutcome(640, 480, ("cat",), b"", 0.1, 0.2, 0.3)),  # type: ignore[arg-type]
        Opened(1, 1, 25.0, float("inf"), 0, annotated=False),
        Opened(1, 1, 25.0, "long", 0, annotated=False),  # type: ignore[arg-type]
    ],
)
def test_what_is_not_is_refused(message: Any) -> None:
    with pytest.raises(TypeError):
        check_fields(message)
