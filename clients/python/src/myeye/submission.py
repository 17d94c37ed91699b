"""What a job can be asked for."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TypeAlias, TypedDict

from google.protobuf.duration_pb2 import Duration

from myeye.v1.detection_pb2 import DetectionOptions
from myeye.v1.detection_service_pb2 import SubmitRequest
from myeye.v1.job_pb2 import Input, Priority, VideoOptions

Seconds: TypeAlias = float | timedelta
"""A length of time: seconds, or a timedelta."""


class SubmitOptions(TypedDict, total=False):
    """Options of submit and detect. What is left out, or None, is as the service has it; see `AsyncClient.capabilities`."""

    model: str
    """One of the service's models."""
    score_threshold: float | None
    """Least score of a detection, from 0 to 1."""
    max_results: int | None
    """Most detections for one picture, best first."""
    category_allowlist: Iterable[str]
    """Return only these categories."""
    category_denylist: Iterable[str]
    """Return none of these categories."""
    annotate: bool
    """Let the service also keep each picture and video with the boxes drawn."""
    video_start: Seconds | None
    """Look at videos from here on."""
    video_end: Seconds | None
    """Look at videos up to here."""
    max_fps: float | None
    """Most frames of a video to look at, for each second of it."""
    priority: Priority.ValueType
    """The lane, as `Priority.PRIORITY_HIGH`."""
    labels: Mapping[str, str] | None
    """Anything to find the job by."""
    start_deadline: Seconds | None
    """Pictures that no worker has taken by then expire."""
    execution_timeout: Seconds | None
    """Time limit of one attempt of one picture."""
    max_attempts: int
    """Attempts of one picture before it fails."""
    ttl: Seconds | None
    """How long the finished job is kept."""
    webhook: str | None
    """Where the service is to POST that the job has ended: https://host/path, of a host that its operator has allowed."""
    request_id: str | None
    """The same id with the same request gives the same job. Left out, a random one makes the call's own retries safe."""


def submit_request(inputs: Iterable[Input], options: SubmitOptions) -> SubmitRequest:
    """Make the request of one job."""
    video = _video_options(options)
    return SubmitRequest(
        request_id=options.get("request_id") or new_request_id(),
        inputs=[_with_video(each, video) for each in inputs],
        model=options.get("model", ""),
        options=DetectionOptions(
            score_threshold=options.get("score_threshold"),
            max_results=options.get("max_results"),
            category_allowlist=options.get("category_allowlist", ()),
            category_denylist=options.get("category_denylist", ()),
        ),
        annotate=options.get("annotate", False),
        priority=options.get("priority", Priority.PRIORITY_UNSPECIFIED),
        labels=options.get("labels"),
        start_deadline=duration(options.get("start_deadline")),
        execution_timeout=duration(options.get("execution_timeout")),
        max_attempts=options.get("max_attempts", 0),
        ttl=duration(options.get("ttl")),
        webhook=options.get("webhook") or "",
    )


def _video_options(options: SubmitOptions) -> VideoOptions | None:
    start, end, max_fps = options.get("video_start"), options.get("video_end"), options.get("max_fps")
    if start is end is max_fps is None:
        return None
    return VideoOptions(start=duration(start), end=duration(end), max_fps=max_fps)


def _with_video(source: Input, video: VideoOptions | None) -> Input:
    if video is not None:
        source.video.CopyFrom(video)
    return source


def new_request_id() -> str:
    """Make an id that no other call has."""
    return str(uuid.uuid4())


def duration(length: Seconds | None) -> Duration | None:
    """Turn seconds or a timedelta into a Duration; None stays None."""
    if length is None:
        return None
    message = Duration()
    message.FromTimedelta(length if isinstance(length, timedelta) else timedelta(seconds=length))
    return message
