"""Every limit of Submit, at both sides, and all violations at once."""

from __future__ import annotations

import hashlib

import pytest
from google.protobuf.duration_pb2 import Duration

from dispatch.codec import duration, nanoseconds
from gateway.errors import InvalidRequest, ModelNotFound
from gateway.limits import SECOND_NS, Defaults, Limits
from gateway.order import Order, check_request, read_order
from gateway.upload_whole import Whole
from myeye.v1.detection_pb2 import DetectionOptions
from myeye.v1.detection_service_pb2 import SubmitRequest
from myeye.v1.job_pb2 import PRIORITY_HIGH, PRIORITY_NORMAL, Input, VideoOptions

LIMITS = Limits()
MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2avc1mp41"
CATEGORIES = {"efficientdet-lite0": ("person", "cat"), "not-seen-yet": ()}


UPLOAD = "upload-of-sixteen"
UPLOADED = {UPLOAD: Whole("uploads/u/whole", 7, hashlib.sha256(b"picture").digest(), b"picture")}


def read(request: SubmitRequest) -> Order:
    check_request(request, limits=LIMITS, defaults=Defaults(), categories=CATEGORIES)
    return read_order(request, principal="me", limits=LIMITS, defaults=Defaults(), uploaded=UPLOADED)


def request(**fields: object) -> SubmitRequest:
    return SubmitRequest(**{"inputs": [Input(content=b"picture")], **fields})


def fields_of(refused: SubmitRequest) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        read(refused)
    return [violation.field for violation in caught.value.violations]


def pictures(count: int) -> list[Input]:
    return [Input(content=b"p")] * count


def video(**options: object) -> dict[str, list[Input]]:
    return {"inputs": [Input(content=MP4, video=VideoOptions(**options))]}


def labels(count: int) -> dict[str, str]:
    return {f"k{i}": "v" for i in range(count)}


def longest(ns: int) -> Duration:
    return duration(ns)


@pytest.mark.parametrize(
    "fields",
    [
        {"inputs": pictures(LIMITS.max_items_per_job)},
        {"inputs": [Input(name="n" * LIMITS.max_name_length, content=b"p")]},
        {"request_id": "r" * LIMITS.max_request_id_length},
        {"labels": labels(LIMITS.max_labels)},
        {"labels": {"k" * LIMITS.max_label_key_length: "v" * LIMITS.max_label_value_length}},
        {"options": DetectionOptions(score_threshold=0.0)},
        {"options": DetectionOptions(score_threshold=1.0)},
        {"options": DetectionOptions(max_results=1)},
        {"options": DetectionOptions(max_results=LIMITS.max_results)},
        {"options": DetectionOptions(category_allowlist=["cat"] * LIMITS.max_categories)},
        {"model": "not-seen-yet", "options": DetectionOptions(category_denylist=["anything"])},
        {"model": "not-seen-yet", "options": DetectionOptions(category_denylist=["c" * LIMITS.max_category_length])},
        {"max_attempts": LIMITS.max_attempts},
        {"start_deadline": longest(LIMITS.max_start_deadline_ns)},
        {"execution_timeout": longest(LIMITS.max_execution_timeout_ns)},
        {"ttl": longest(LIMITS.max_ttl_ns)},
        {"ttl": duration(1)},
        video(start=duration(0), end=duration(1)),
        video(start=duration(LIMITS.max_video_time_ns - 1), end=duration(LIMITS.max_video_time_ns)),
        video(max_fps=1e-6),
        video(max_fps=LIMITS.max_fps),
    ],
)
def test_what_is_just_within_a_limit_passes(fields: dict[str, object]):
    assert read(request(**fields)).job_id


@pytest.mark.parametrize(
    ("fields", "violated"),
    [
        ({"inputs": []}, "inputs"),
        ({"inputs": pictures(LIMITS.max_items_per_job + 1)}, "inputs"),
        ({"inputs": [Input(name="n" * (LIMITS.max_name_length + 1), content=b"p")]}, "inputs[0].name"),
        ({"inputs": [Input(content=b"p"), Input(content=b"")]}, "inputs[1].content"),
        ({"inputs": [Input(name="nothing")]}, "inputs[0].source"),
        ({"request_id": "r" * (LIMITS.max_request_id_length + 1)}, "request_id"),
        (video(start=duration(-1)), "inputs[0].video.start"),
        (video(start=duration(LIMITS.max_video_time_ns + 1)), "inputs[0].video.start"),
        (video(end=duration(LIMITS.max_video_time_ns + 1)), "inputs[0].video.end"),
        (video(start=duration(1), end=duration(1)), "inputs[0].video.end"),
        (video(end=duration(0)), "inputs[0].video.end"),
        (video(max_fps=0), "inputs[0].video.max_fps"),
        (video(max_fps=LIMITS.max_fps + 0.001), "inputs[0].video.max_fps"),
        (video(max_fps=float("nan")), "inputs[0].video.max_fps"),
        ({"labels": labels(LIMITS.max_labels + 1)}, "labels"),
        ({"labels": labels(1000)}, "labels"),
        ({"labels": {"k" * (LIMITS.max_label_key_length + 1): ""}}, f"labels['{'k' * (LIMITS.max_label_key_length + 1)}']"),
        ({"labels": {"Key": ""}}, "labels['Key']"),
        ({"labels": {"": ""}}, "labels['']"),
        ({"labels": {"k": "v" * (LIMITS.max_label_value_length + 1)}}, "labels['k']"),
        ({"options": DetectionOptions(score_threshold=7)}, "options.score_threshold"),
        ({"options": DetectionOptions(score_threshold=-0.01)}, "options.score_threshold"),
        ({"options": DetectionOptions(score_threshold=float("nan"))}, "options.score_threshold"),
        ({"options": DetectionOptions(max_results=0)}, "options.max_results"),
        ({"options": DetectionOptions(max_results=LIMITS.max_results + 1)}, "options.max_results"),
        ({"options": DetectionOptions(category_allowlist=["cat"] * (LIMITS.max_categories + 1))}, "options.category_allowlist"),
        (
            {"model": "not-seen-yet", "options": DetectionOptions(category_denylist=["c" * (LIMITS.max_category_length + 1)])},
            "options.category_denylist[0]",
        ),
        ({"options": DetectionOptions(category_allowlist=["cat"], category_denylist=["person"])}, "options.category_denylist"),
        ({"options": DetectionOptions(category_denylist=["cat", "unicorn"])}, "options.category_denylist[1]"),
        ({"priority": 9}, "priority"),
        ({"max_attempts": -1}, "max_attempts"),
        ({"max_attempts": LIMITS.max_attempts + 1}, "max_attempts"),
        ({"start_deadline": longest(LIMITS.max_start_deadline_ns + 1)}, "start_deadline"),
        ({"start_deadline": Duration()}, "start_deadline"),
        ({"execution_timeout": longest(LIMITS.max_execution_timeout_ns + 1)}, "execution_timeout"),
        ({"execution_timeout": Duration(seconds=-1)}, "execution_timeout"),
        ({"ttl": longest(LIMITS.max_ttl_ns + 1)}, "ttl"),
        ({"ttl": Duration()}, "ttl"),
    ],
)
def test_what_is_just_beyond_a_limit_is_refused_by_its_field(fields: dict[str, object], violated: str):
    assert fields_of(request(**fields)) == [violated]


def test_all_violations_are_told_at_once():
    refused = SubmitRequest(
        inputs=[Input()], options=DetectionOptions(score_threshold=7, max_results=0), max_attempts=99, ttl=Duration(seconds=-1)
    )
    assert fields_of(refused) == ["inputs[0].source", "options.score_threshold", "options.max_results", "max_attempts", "ttl"]


def test_an_unknown_model_is_not_found_and_the_known_ones_are_named():
    with pytest.raises(ModelNotFound) as caught:
        read(request(model="yolo"))
    assert caught.value.models == ["efficientdet-lite0", "not-seen-yet"]


def test_defaults_are_filled_in():
    spec = read(request()).spec
    assert (spec.model, spec.priority, spec.max_attempts) == ("efficientdet-lite0", PRIORITY_NORMAL, 3)
    assert spec.options.max_results == LIMITS.max_results
    assert not spec.options.HasField("score_threshold"), "the worker's model has its own"
    assert nanoseconds(spec.execution_timeout) == 60 * SECOND_NS
    assert not spec.HasField("start_deadline")


def test_a_threshold_of_zero_is_kept():
    options = read(request(options=DetectionOptions(score_threshold=0.0))).spec.options
    assert options.HasField("score_threshold")
    assert options.score_threshold == 0.0


def test_equal_requests_have_equal_digests_and_ids():
    one = read(request(request_id="r", labels={"a": "1", "b": "2"}))
    other = read(request(request_id="r", labels={"b": "2", "a": "1"}))
    assert (one.digest, one.job_id) == (other.digest, other.job_id)


@pytest.mark.parametrize(
    "fields",
    [
        {"inputs": [Input(content=b"other")]},
        {"inputs": [Input(name="named", content=b"picture")]},
        {"annotate": True},
        {"priority": PRIORITY_HIGH},
        {"labels": {"a": "1"}},
        {"max_attempts": 2},
        {"options": DetectionOptions(score_threshold=0.0)},
        {"ttl": Duration(seconds=5)},
        {"start_deadline": Duration(seconds=5)},
        {"execution_timeout": Duration(seconds=5)},
        {"model": "not-seen-yet"},
    ],
)
def test_another_request_under_the_same_id_has_another_digest(fields: dict[str, object]):
    one, other = read(request(request_id="r")), read(request(request_id="r", **fields))
    assert one.job_id == other.job_id
    assert one.digest != other.digest


def test_jobs_without_request_id_are_never_the_same():
    assert read(request()).job_id != read(request()).job_id


def test_a_video_is_known_by_its_bytes_and_has_every_default_of_its_options():
    first, second, picture = read(
        SubmitRequest(
            inputs=[
                Input(content=MP4),
                Input(content=MP4, video=VideoOptions(start=duration(1), max_fps=2)),
                Input(content=b"picture", video=VideoOptions(max_fps=2)),
            ]
        )
    ).pictures
    assert first.video == VideoOptions(max_fps=Defaults().max_fps)
    assert second.video == VideoOptions(start=duration(1), max_fps=2)
    assert picture.video is None


def test_which_frames_to_look_at_is_part_of_what_is_asked_for():
    whole, part = (
        read(SubmitRequest(request_id="r", inputs=[source])) for source in (Input(content=MP4), *video(max_fps=2)["inputs"])
    )
    assert whole.job_id == part.job_id
    assert whole.digest != part.digest


def test_a_video_has_a_longer_time_limit_unless_one_is_given():
    spec = read(request()).spec
    assert nanoseconds(spec.execution_timeout) == Defaults().execution_timeout_ns
    assert nanoseconds(spec.video_execution_timeout) == Defaults().video_execution_timeout_ns
    given = read(request(execution_timeout=duration(7 * SECOND_NS))).spec
    assert nanoseconds(given.execution_timeout) == nanoseconds(given.video_execution_timeout) == 7 * SECOND_NS
