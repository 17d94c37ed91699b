"""Tasks from bytes of a work queue. Whoever can publish there can write anything: nothing is done that was not checked here.

A task that cannot be read names no item and can only be dropped. One that can be read and must not be done fails its item.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from google.protobuf.message import DecodeError

from dispatch.blob_name import check_name
from dispatch.codec import MAX_TIMESTAMP_S, nanoseconds
from dispatch.errors import DispatchError
from dispatch.options import (
    MAX_ATTEMPTS,
    MAX_CATEGORIES,
    MAX_CATEGORY_LENGTH,
    MAX_EXECUTION_TIMEOUT_NS,
    MAX_FPS,
    MAX_RESULTS,
    MAX_VIDEO_TIME_NS,
)
from dispatch.ports import Kind
from dispatch.uri import MalformedUri, read_uri
from dispatch.v1.task_pb2 import Task
from myeye.v1.detection_pb2 import DetectionOptions
from myeye.v1.job_pb2 import VideoOptions

VERSION = 0
"""The newest version of a task that is known here: see `Task.version`."""
MAX_ID_LENGTH = 64
"""Of every id in a task, which the event log repeats."""
MAX_BLOB_NAME_LENGTH = 200
MAX_ITEM = 1_000_000


class UnreadableTask(DispatchError):
    """The bytes are no task; the message says why."""


class ImpossibleTask(DispatchError):
    """The task must not be done; the message says all that is wrong with it."""


def read_task(body: bytes) -> Task:
    """Read which item of which job a task is for, and what else it says.

    Raises:
        UnreadableTask: it does not say which.
    """
    try:
        task = Task.FromString(body)
    except DecodeError as error:
        raise UnreadableTask("it is no message of this kind") from error
    for name, value in (("id", task.id), ("job_id", task.job_id), ("accepted_id", task.accepted_id)):
        if len(value) > MAX_ID_LENGTH:
            raise UnreadableTask(f"its {name} has {len(value)} characters, which is no id")
    if not task.id or not task.job_id:
        raise UnreadableTask("it names no job" if task.id else "it has no id")
    if not 0 <= task.item <= MAX_ITEM:
        raise UnreadableTask(f"there is no item {task.item}")
    return task


def kind_of(task: Task) -> Kind:
    """Tell in which kind of queue a task is."""
    if task.HasField("remote"):
        return Kind.REMOTE
    return Kind.VIDEO if task.HasField("video") else Kind.PICTURE


def check_task(task: Task) -> None:
    """Hold what a task asks for against what a gateway would have let pass.

    Raises:
        ImpossibleTask: no worker may do it.
    """
    if faults := "; ".join(_faults(task)):
        raise ImpossibleTask(faults)


def _faults(task: Task) -> Iterator[str]:
    if task.version > VERSION:  # what else it says may mean something else by then
        yield f"it is of version {task.version}, and {VERSION} is the newest one known here"
        return
    yield from _blob("input_blob", task.input_blob, task.job_id)
    if task.annotated_blob:
        yield from _blob("annotated_blob", task.annotated_blob, task.job_id)
        if task.annotated_blob == task.input_blob:
            yield "its annotated_blob is its input_blob"
    if task.attempt < 1:
        yield f"its attempt is {task.attempt}"
    if not 0 <= task.max_attempts <= MAX_ATTEMPTS:
        yield f"its max_attempts is {task.max_attempts}, not at most {MAX_ATTEMPTS}"
    if not 0 < nanoseconds(task.execution_timeout) <= MAX_EXECUTION_TIMEOUT_NS:
        yield f"its execution_timeout is {task.execution_timeout.seconds} s, not from 0 to {MAX_EXECUTION_TIMEOUT_NS / 1e9:g} s"
    for field in ("create_time", "start_deadline_time"):
        if not 0 <= nanoseconds(getattr(task, field)) < MAX_TIMESTAMP_S * 1_000_000_000:
            yield f"its {field} is {getattr(task, field).seconds} s"
    yield from _options(task.options)
    if task.HasField("video"):
        yield from _video(task.video)
    if task.HasField("remote"):
        yield from _remote(task)


def _remote(task: Task) -> Iterator[str]:
    if task.HasField("video"):
        yield "it has a video that is not here yet"
    try:
        read_uri(task.remote.uri)
    except MalformedUri as error:
        yield f"its remote.uri {error}"
    if task.remote.max_bytes < 0:
        yield f"its remote.max_bytes is {task.remote.max_bytes}"
    yield from _video(task.remote.video)
    if not 0 < nanoseconds(task.video_execution_timeout) <= MAX_EXECUTION_TIMEOUT_NS:
        yield f"its video_execution_timeout is {task.video_execution_timeout.seconds} s"


def _blob(field: str, name: str, job_id: str) -> Iterator[str]:
    """Find fault with the name of a blob that is not of the job itself: neither a path of the machine nor another's picture."""
    try:
        check_name(name)
    except ValueError:
        yield f"its {field} is not the name of a blob"
        return
    if not name.startswith(f"jobs/{job_id}/") or len(name) > MAX_BLOB_NAME_LENGTH:
        yield f"its {field} is none of the job's"


def _options(options: DetectionOptions) -> Iterator[str]:
    if options.HasField("score_threshold") and not 0.0 <= options.score_threshold <= 1.0:
        yield f"its score_threshold is {options.score_threshold:g}"
    if options.HasField("max_results") and not 1 <= options.max_results <= MAX_RESULTS:
        yield f"its max_results is {options.max_results}"
    for field in ("category_allowlist", "category_denylist"):
        if (count := len(getattr(options, field))) > MAX_CATEGORIES:
            yield f"its {field} has {count} entries"
        elif any(len(name) > MAX_CATEGORY_LENGTH for name in getattr(options, field)):
            yield f"its {field} has too long an entry"


def _video(video: VideoOptions) -> Iterator[str]:
    for field, value in (("start", video.start), ("end", video.end)):
        if not 0 <= nanoseconds(value) <= MAX_VIDEO_TIME_NS:
            yield f"its video.{field} is {value.seconds} s"
    if video.HasField("max_fps") and not (math.isfinite(video.max_fps) and 0 < video.max_fps <= MAX_FPS):
        yield f"its video.max_fps is {video.max_fps:g}"
