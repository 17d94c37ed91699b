"""What the pool and a detector process say to each other, as frames on a socket.

A frame is two lengths, a head in JSON and a body of plain bytes. No pickle: what comes out of a process that decodes strangers'
pictures must not be able to do more than to be wrong.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from worker.detection import Box, DetectOutcome, DetectRequest, Stage
from worker.field_types import check_fields

LENGTHS = struct.Struct("!II")
"""Of the head and of the body, in bytes."""

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Wire(Generic[M]):
    """How the messages of one kind of process become frames and back; `decode` is given head and body, and raises ValueError."""

    encode: Callable[[M], bytes]
    decode: Callable[[bytes, bytes], M]


@dataclass(frozen=True, slots=True)
class Look:
    """To the process: find what is in a picture. `number` names the request in all that is said of it."""

    number: int
    request: DetectRequest


@dataclass(frozen=True, slots=True)
class Ready:
    """From the process, once: the model is loaded and has looked at a first picture."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """From the process, once, instead of Ready: what is missing here. It ends."""

    message: str


@dataclass(frozen=True, slots=True)
class Entered:
    """From the process: a request has come to a stage."""

    number: int
    stage: Stage


@dataclass(frozen=True, slots=True)
class Found:
    """From the process: a request is done."""

    number: int
    outcome: DetectOutcome


@dataclass(frozen=True, slots=True)
class Rejected:
    """From the process: a request can never succeed."""

    number: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Broke:
    """From the process: a request made the detector fail, and nothing more is to be expected of it. It ends."""

    number: int


Message = Look | Ready | Unusable | Entered | Found | Rejected | Broke


def encode(message: Message) -> bytes:
    """Make the frame of a message."""
    fields, body = asdict(message), b""
    match message:
        case Look():
            body = fields["request"].pop("picture")
        case Found():
            body = fields["outcome"].pop("annotated")
    return pack(type(message).__name__, fields, body)


def decode(head: bytes, body: bytes) -> Message:
    """Read a message.

    Raises:
        ValueError: it is none.
    """
    return unpack(head, body, _message)


def pack(name: str, fields: dict[str, Any], body: bytes) -> bytes:
    """Make a frame of a message's name, its fields but one, and that one."""
    head = json.dumps([name, fields]).encode()
    return LENGTHS.pack(len(head), len(body)) + head + body


def unpack(head: bytes, body: bytes, read: Callable[[str, dict[str, Any], bytes], M]) -> M:
    """Take a frame apart and let `read` make the message, whose fields must be of their types.

    Raises:
        ValueError: it is none.
    """
    try:
        name, fields = json.loads(head)
        message = read(name, fields, body)
        check_fields(message)
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a message: {head[:100]!r}") from error
    return message


def _message(name: str, fields: dict[str, Any], body: bytes) -> Message:
    match name:
        case "Look":
            return Look(fields["number"], _request(fields["request"], body))
        case "Ready":
            return Ready()
        case "Unusable":
            return Unusable(**fields)
        case "Entered":
            return Entered(fields["number"], Stage(fields["stage"]))
        case "Found":
            return Found(fields["number"], _outcome(fields["outcome"], body))
        case "Rejected":
            return Rejected(**fields)
        case "Broke":
            return Broke(**fields)
    raise ValueError(f"no message is called {name!r}")


def _request(fields: dict[str, Any], body: bytes) -> DetectRequest:
    allowlist, denylist = (tuple(fields.pop(name)) for name in ("category_allowlist", "category_denylist"))
    return DetectRequest(picture=body, category_allowlist=allowlist, category_denylist=denylist, **fields)


def _outcome(fields: dict[str, Any], body: bytes) -> DetectOutcome:
    boxes = tuple(Box(**box) for box in fields.pop("boxes"))
    return DetectOutcome(annotated=body, boxes=boxes, **fields)


DETECTOR = Wire(encode, decode)
