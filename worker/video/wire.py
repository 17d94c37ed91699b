"""What the worker and a video process say to each other, framed as with the detectors."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from worker.detection import Box
from worker.wire import Ready, Unusable, Wire, pack, unpack


@dataclass(frozen=True, slots=True)
class Next:
    """To the process: give one more frame. It answers Opened before the first, and Ended instead of one when there is none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """To the process, if frames are drawn on: what was found in a frame, in the order of the frames, in pixels of the video."""

    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """To the process: complete the annotated video. It answers Drawn."""


@dataclass(frozen=True, slots=True)
class Opened:
    """From the process, once: what the video says of itself, and how many frames there will be; 0 is as good as unknown."""

    width_px: int
    height_px: int
    fps: float
    duration_s: float | None
    frames_total: int
    annotated: bool
    """Whether frames are drawn on: asked for, and the codec is there."""


@dataclass(frozen=True, slots=True)
class Frame:
    """From the process: a frame as an encoded picture, maybe smaller than the video, and how long it took, in seconds."""

    time_s: float
    decode_s: float
    picture: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """From the process: there are no more frames."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """From the process: the video cannot be looked at (any further)."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """From the process: the annotated video is complete. How large it is in bytes, and how long drawing took, in seconds."""

    size_bytes: int
    annotate_s: float


Message = Ready | Unusable | Next | Seen | Finish | Opened | Frame | Ended | Rejected | Drawn

_PLAIN = {kind.__name__: kind for kind in (Ready, Unusable, Next, Finish, Opened, Ended, Rejected, Drawn)}


def encode(message: Message) -> bytes:
    """Make the frame of a message."""
    fields, body = asdict(message), b""
    if isinstance(message, Frame):
        body = fields.pop("picture")
    return pack(type(message).__name__, fields, body)


def decode(head: bytes, body: bytes) -> Message:
    """Read a message.

    Raises:
        ValueError: it is none.
    """
    return unpack(head, body, _message)


def _message(name: str, fields: dict[str, Any], body: bytes) -> Message:
    match name:
        case "Frame":
            return Frame(picture=body, **fields)
        case "Seen":
            return Seen(tuple(Box(**box) for box in fields["boxes"]))
    message: Message = _PLAIN[name](**fields)
    return message


VIDEO = Wire(encode, decode)
