"""A task to what the detector is asked, and what it found to what the log tells."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from dispatch.codec import duration, nanoseconds
from dispatch.options import MAX_PICTURE_BYTES, MAX_RESULTS
from dispatch.v1.task_pb2 import Task
from myeye.v1.detection_pb2 import BoundingBox, Detection, DetectionResult
from myeye.v1.job_pb2 import Timings
from worker.attempt import Attempt
from worker.detection import Box, DetectOutcome, DetectRequest, PictureRejected


def check_size(task: Task) -> None:
    """Refuse a picture that is too large to be read into memory; videos are not read so.

    Raises:
        PictureRejected: it has more than MAX_PICTURE_BYTES.
    """
    if not task.HasField("video") and task.input_size_bytes > MAX_PICTURE_BYTES:
        message = f"the picture has {task.input_size_bytes:,} bytes; at most {MAX_PICTURE_BYTES:,} are looked at"
        raise PictureRejected("IMAGE_TOO_LARGE", message)


def request_of(task: Task, picture: bytes) -> DetectRequest:
    """Say what the detector is to do with the picture of a task, or with a frame of its video: that it never draws on."""
    options = task.options
    return DetectRequest(
        picture=picture,
        score_threshold=options.score_threshold if options.HasField("score_threshold") else None,
        max_results=options.max_results if options.HasField("max_results") else MAX_RESULTS,
        category_allowlist=tuple(options.category_allowlist),
        category_denylist=tuple(options.category_denylist),
        annotate=bool(task.annotated_blob) and not task.HasField("video"),
    )


def result_of(outcome: DetectOutcome, *, annotated: bool) -> bytes:
    """Serialize what was found, as a myeye.v1.DetectionResult."""
    result = DetectionResult(
        width_px=outcome.width_px,
        height_px=outcome.height_px,
        detections=map(detection_of, outcome.boxes),
        annotated=annotated,
    )
    return result.SerializeToString(deterministic=True)


def detection_of(box: Box) -> Detection:
    """Say what a box is."""
    rectangle = BoundingBox(x_px=box.x_px, y_px=box.y_px, width_px=box.width_px, height_px=box.height_px)
    return Detection(category=box.category, score=box.score, bounding_box=rectangle)


def timings_of(
    attempt: Attempt, *, fetch_s: float, decode_s: float, detect_s: float, annotate_s: float | None, total_s: float
) -> bytes:
    """Serialize where the time went, as a myeye.v1.Timings."""
    queued_ns = max(0, attempt.begun_ns - nanoseconds(attempt.task.create_time))  # two clocks: it may come out negative
    timings = Timings(
        queued=duration(queued_ns),
        fetch=seconds(fetch_s),
        decode=seconds(decode_s),
        detect=seconds(detect_s),
        annotate=None if annotate_s is None else seconds(annotate_s),
        total=seconds(total_s),
    )
    return timings.SerializeToString(deterministic=True)


def seconds(value: float) -> Duration:
    """Make a Duration of seconds."""
    return duration(round(value * 1e9))
