"""What the worker asks of detectors and gets from them. Nothing here needs an image library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Protocol


class Stage(IntEnum):
    """Where an item is, numbered as myeye.v1.ItemProgress.Stage."""

    FETCHING = 1
    DECODING = 2
    DETECTING = 3
    ANNOTATING = 4


class Engine(StrEnum):
    """What runs a model."""

    MEDIAPIPE = "mediapipe"
    LITERT = "litert"


@dataclass(frozen=True, slots=True)
class Model:
    """What detectors look with."""

    name: str
    sha256: str
    default_score_threshold: float
    categories: tuple[str, ...]
    engine: Engine = Engine.MEDIAPIPE


@dataclass(frozen=True, slots=True)
class DetectRequest:
    """A picture, encoded as it came, and how to look at it. A threshold of None means the model's own. No repr shows pictures."""

    picture: bytes = field(repr=False)
    score_threshold: float | None
    max_results: int
    category_allowlist: tuple[str, ...]
    category_denylist: tuple[str, ...]
    annotate: bool


@dataclass(frozen=True, slots=True)
class Box:
    """An object found, in pixels of the upright original picture."""

    category: str
    score: float
    x_px: int
    y_px: int
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class DetectOutcome:
    """What was found in a picture, best first, and where the time went, in seconds.

    `annotated` is the picture with the boxes drawn, as JPEG; empty when it was not asked for.
    """

    width_px: int
    height_px: int
    boxes: tuple[Box, ...]
    annotated: bytes = field(repr=False)
    decode_s: float
    detect_s: float
    annotate_s: float


class PictureRejected(Exception):
    """The request can never succeed. The reason is IMAGE_INVALID, IMAGE_TOO_LARGE, IMAGE_UNSUPPORTED or CATEGORY_UNKNOWN."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class DetectorFailed(Exception):
    """The detector did not get to an end; another attempt may do better. The reason is DETECTOR_CRASHED or EXECUTION_TIMEOUT."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Census:
    """How many detectors of a pool are ready, how many of these have something to do, and how many were lost since the start."""

    ready: int
    busy: int
    lost: int = 0


class DetectorPool(Protocol):
    """Detectors of one model, each in a process of its own."""

    @property
    def model(self) -> Model: ...

    @property
    def detectors(self) -> int:
        """How many there are."""

    @property
    def census(self) -> Census:
        """Count them as they are now."""

    async def start(self) -> None:
        """Return once every detector has looked at a first picture.

        Raises:
            ConfigurationError: a detector cannot be started here; the message says what is missing.
        """

    async def detect(self, request: DetectRequest, *, on_stage: Callable[[Stage], None], timeout_s: float) -> DetectOutcome:
        """Find what is in a picture. Cancelling the awaiting task stops the work.

        Raises:
            PictureRejected: the request can never succeed.
            DetectorFailed: the detector crashed over it, or it took longer than `timeout_s` seconds.
        """

    async def close(self) -> None: ...
