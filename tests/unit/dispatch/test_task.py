"""What is no task, what is one that must not be done, and that no bytes at all get past with a name that leads elsewhere."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from dispatch.blob_folder import FolderBlobs
from dispatch.options import MAX_ATTEMPTS, MAX_CATEGORIES, MAX_CATEGORY_LENGTH, MAX_EXECUTION_TIMEOUT_NS, MAX_FPS, MAX_RESULTS
from dispatch.task import MAX_ID_LENGTH, ImpossibleTask, UnreadableTask, check_task, read_task
from dispatch.v1.remote_pb2 import Remote
from dispatch.v1.task_pb2 import Task
from gateway.limits import Defaults, Limits
from myeye.v1.detection_pb2 import DetectionOptions
from myeye.v1.job_pb2 import VideoOptions

REMOTE = Remote(uri="https://example.com/")
MAX_TIMEOUT = Duration(seconds=MAX_EXECUTION_TIMEOUT_NS // 10**9)


def task(**changes) -> Task:
    fields = {
        "id": "t",
        "job_id": "job",
        "item": 0,
        "attempt": 1,
        "max_attempts": 3,
        "input_blob": "jobs/job/x/0/input",
        "execution_timeout": Duration(seconds=60),
    }
    return Task(**(fields | changes))


def test_a_task_as_gateways_make_it_is_read_and_may_be_done():
    ordinary = task(annotated_blob="jobs/job/x/0/annotated", options=DetectionOptions(max_results=100))
    assert read_task(ordinary.SerializeToString()) == ordinary
    check_task(ordinary)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no id"),
        (b"\xff garbage", "no message of this kind"),
        (task().SerializeToString()[:-1], "no message of this kind"),
        (task(id="").SerializeToString(), "no id"),
        (task(job_id="").SerializeToString(), "names no job"),
        (task(item=-1).SerializeToString(), "no item -1"),
        (task(item=2**31 - 1).SerializeToString(), "no item 2147483647"),
        (task(id="i" * (MAX_ID_LENGTH + 1)).SerializeToString(), "no id"),
        (task(job_id="j" * 20_000_000).SerializeToString(), "job_id has 20000000 characters"),
        (task(accepted_id=b"a" * (MAX_ID_LENGTH + 1)).SerializeToString(), "accepted_id"),
    ],
)
def test_what_names_no_item_is_no_task(body, why):
    with pytest.raises(UnreadableTask, match=why):
        read_task(body)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": 1, "input_blob": ""}, "^it is of version 1, and 0 is the newest one known here$"),
        ({"input_blob": ""}, "input_blob is not the name of a blob"),
        ({"input_blob": "/etc/passwd"}, "input_blob is not the name of a blob"),
        ({"input_blob": "../../etc/passwd"}, "input_blob is not the name of a blob"),
        ({"input_blob": "jobs/job/../other/0/input"}, "input_blob is not the name of a blob"),
        ({"input_blob": "jobs/job/a~b\x00"}, "input_blob is not the name of a blob"),
        ({"input_blob": "jobs/other/0/input"}, "input_blob is none of the job's"),
        ({"input_blob": "uploads/job/part"}, "input_blob is none of the job's"),
        ({"input_blob": "jobs/job/" + "a" * 300}, "input_blob is none of the job's"),
        ({"annotated_blob": "../up"}, "annotated_blob is not the name of a blob"),
        ({"annotated_blob": "jobs/other/0/input"}, "annotated_blob is none of the job's"),
        ({"annotated_blob": "jobs/job/x/0/input"}, "annotated_blob is its input_blob"),
        ({"attempt": 0}, "attempt is 0"),
        ({"attempt": -1}, "attempt is -1"),
        ({"max_attempts": -1}, "max_attempts"),
        ({"max_attempts": MAX_ATTEMPTS + 1}, "max_attempts"),
        ({"execution_timeout": Duration()}, "execution_timeout is 0 s"),
        ({"execution_timeout": Duration(seconds=-5)}, "execution_timeout is -5 s"),
        ({"execution_timeout": Duration(seconds=2**62)}, "execution_timeout"),
        ({"execution_timeout": Duration(seconds=MAX_TIMEOUT.seconds, nanos=1)}, "execution_timeout"),
        ({"create_time": Timestamp(seconds=-(2**62))}, "create_time"),
        ({"start_deadline_time": Timestamp(seconds=2**62)}, "start_deadline_time"),
        ({"options": DetectionOptions(score_threshold=math.nan)}, "score_threshold"),
        ({"options": DetectionOptions(score_threshold=1.1)}, "score_threshold"),
        ({"options": DetectionOptions(max_results=0)}, "max_results"),
        ({"options": DetectionOptions(max_results=MAX_RESULTS + 1)}, "max_results"),
        ({"options": DetectionOptions(category_denylist=["c"] * (MAX_CATEGORIES + 1))}, "category_denylist has 101"),
        (
            {"options": DetectionOptions(category_allowlist=["c", "c" * (MAX_CATEGORY_LENGTH + 1)])},
            "category_allowlist has too long",
        ),
        ({"video": VideoOptions(max_fps=math.nan)}, "video.max_fps"),
        ({"video": VideoOptions(max_fps=MAX_FPS + 1)}, "video.max_fps"),
        ({"video": VideoOptions(start=Duration(seconds=-1))}, "video.start"),
        ({"remote": REMOTE, "video": VideoOptions()}, "a video that is not here yet"),
        ({"remote": REMOTE, "video_execution_timeout": Duration()}, "video_execution_timeout is 0 s"),
        ({"remote": Remote(uri="http://169.254.169.254/")}, "remote.uri must begin with https"),
        ({"remote": Remote(uri="https://user:s3cr3t@example.com/")}, "remote.uri must have no user and password"),
        ({"remote": Remote(uri=REMOTE.uri, video=VideoOptions(max_fps=math.nan))}, "video.max_fps"),
    ],
)
def test_what_no_gateway_would_have_asked_for_must_not_be_done(changes, why):
    hostile = read_task(task(**changes).SerializeToString())
    with pytest.raises(ImpossibleTask, match=why):
        check_task(hostile)


def test_a_task_to_fetch_something_may_be_done():
    check_task(task(remote=REMOTE, video_execution_timeout=MAX_TIMEOUT))


def test_what_gateways_let_pass_at_most_may_be_done():
    limits, defaults = Limits(), Defaults()
    categories = ["c" * limits.max_category_length] * limits.max_categories
    check_task(
        task(
            attempt=limits.max_attempts,
            max_attempts=limits.max_attempts,
            execution_timeout=MAX_TIMEOUT,
            options=DetectionOptions(
                score_threshold=1.0,
                max_results=limits.max_results,
                category_allowlist=categories,
            ),
            video=VideoOptions(max_fps=limits.max_fps, end=Duration(seconds=limits.max_video_time_ns // 10**9)),
        )
    )
    assert limits.max_execution_timeout_ns == MAX_EXECUTION_TIMEOUT_NS
    assert max(defaults.execution_timeout_ns, defaults.video_execution_timeout_ns) <= MAX_EXECUTION_TIMEOUT_NS


@given(st.binary(max_size=300))
def test_garbage_is_no_task(body: bytes):
    try:
        check_task(read_task(body))
    except (UnreadableTask, ImpossibleTask):
        return
    raise AssertionError("chance does not make a name below jobs/ and the job's own id")


@given(
    st.text(max_size=12),
    st.one_of(
        st.text(max_size=60),
        st.lists(st.sampled_from(["..", ".", "", "jobs", "job", "~", "a", "\x00", "\n", "..\\", "/"]), max_size=8).map("/".join),
    ),
)
def test_no_task_names_a_file_outside_of_its_own_jobs_names(job_id: str, name: str):
    root = Path("/store")
    for blob in (name, f"jobs/{job_id}/{name}"):
        try:
            check_task(task(job_id=job_id, input_blob=blob))
        except ImpossibleTask:
            continue
        file = FolderBlobs(root)._file(blob)
        assert file.resolve() == file
        assert file.parent.parent == root
        assert file.name.startswith(f"jobs~{job_id}~")
