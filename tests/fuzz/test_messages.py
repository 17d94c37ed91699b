"""What travels between the processes: garbage is refused as it is said to be, and breaks nobody who reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.codec import decode_record, encode_record
from dispatch.fold import Fold
from dispatch.v1.event_pb2 import Record
from gateway.errors import InvalidRequest
from gateway.filter import read_labels
from gateway.ids import is_job_id
from gateway.limits import Limits
from gateway.upload_target import Target, check_target, read_what
from tests.fuzz.messages import messages
from tests.fuzz.mutations import mutated
from worker import wire
from worker.detection import Box, DetectOutcome, DetectRequest, Stage
from worker.video import wire as video_wire

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
OUTCOME = DetectOutcome(640, 480, (Box("cat", 0.5, 1, 2, 3, 4),), b"drawn", 0.1, 0.2, 0.3)
SAID = [
    wire.Look(3, DetectRequest(b"picture", 0.25, 7, ("cat",), (), annotate=True)),
    wire.Ready(),
    wire.Unusable("libGL.so.1 is missing"),
    wire.Entered(5, Stage.DETECTING),
    wire.Found(6, OUTCOME),
    wire.Rejected(7, "IMAGE_INVALID", "damaged"),
    wire.Broke(8),
]
SAID_OF_VIDEO: list[video_wire.Message] = [
    video_wire.Opened(640, 480, 25.0, 2.0, 10, annotated=False),
    video_wire.Frame(0.5, 0.1, b"picture"),
    video_wire.Seen((Box("cat", 0.5, 1, 2, 3, 4),)),
    video_wire.Rejected("VIDEO_INVALID", "damaged"),
    video_wire.Drawn(100, 0.5),
    video_wire.Ended(),
]


def head_of(frame: bytes) -> bytes:
    length, _ = wire.LENGTHS.unpack_from(frame)
    return frame[wire.LENGTHS.size : wire.LENGTHS.size + length]


HEADS = [head_of(wire.encode(said)) for said in SAID] + [head_of(video_wire.encode(said)) for said in SAID_OF_VIDEO]
NAMES = [json.loads(head)[0] for head in HEADS]


@given(
    mutated(HEADS)
    | st.builds(lambda name, fields: json.dumps([name, fields]).encode(), st.sampled_from(NAMES), JSON)
    | st.builds(lambda value: json.dumps(value).encode(), JSON),
    st.binary(max_size=8),
)
def test_a_frame_is_a_message_or_a_value_error(head: bytes, body: bytes) -> None:
    for kind in (wire, video_wire):
        try:
            message = kind.decode(head, body)
        except ValueError:
            continue
        kind.encode(message)  # what was taken for a message can be said again


def test_a_frame_nested_without_end_is_a_value_error() -> None:
    for head in (b"[" * 200_000, b'["Found",' + b'{"outcome":' * 100_000):
        for kind in (wire, video_wire):
            with pytest.raises(ValueError, match="not a message"):
                kind.decode(head, b"")


@given(messages(Record) | st.binary(max_size=200))
def test_a_record_of_the_log_is_folded_whatever_it_holds(record: Record | bytes) -> None:
    body = record if isinstance(record, bytes) else record.SerializeToString()
    fold = Fold()
    events = decode_record(body)
    for event in [*events, *events]:
        fold.apply(event)
    again = encode_record(events)
    assert encode_record(decode_record(again)) == again


@given(st.lists(st.text(max_size=20), max_size=4))
def test_label_selectors_are_read_or_refused(selectors: list[str]) -> None:
    try:
        read = read_labels(selectors)
    except InvalidRequest:
        assert any(not selector or selector.startswith("=") for selector in selectors)
        return
    assert len(read) == len(selectors)
    assert all(key for key, _ in read)


INT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.text(max_size=70), INT64, st.text(max_size=70), INT64)
def test_an_upload_target_is_refused_or_makes_a_name_that_says_it(upload_id: str, size: int, digest: str, offset: int) -> None:
    target = Target(upload_id, size, digest, offset)
    try:
        check_target(target, Limits())
    except InvalidRequest:
        return
    assert read_what(target.what) == (size, digest)


@given(st.text(max_size=30))
def test_an_id_of_a_job_is_nothing_that_means_more_in_a_blobs_name(text: str) -> None:
    if is_job_id(text):
        assert text.isascii()
        assert text.isalnum()
