"""What a request may ask for, and what is used where it asks for nothing: advertised by GetCapabilities."""

from __future__ import annotations

from dataclasses import dataclass

from dispatch.options import (
    MAX_ATTEMPTS,
    MAX_CATEGORIES,
    MAX_CATEGORY_LENGTH,
    MAX_EXECUTION_TIMEOUT_NS,
    MAX_FPS,
    MAX_PICTURE_BYTES,
    MAX_PIXELS,
    MAX_RESULTS,
    MAX_UPLOAD_BYTES,
    MAX_VIDEO_FRAMES,
    MAX_VIDEO_TIME_NS,
)
from dispatch.uri import MAX_URI_LENGTH

SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS
DAY_NS = 24 * HOUR_NS

MEDIA_TYPES = (
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/bmp",
    "image/tiff",
    "image/gif",
    "image/avif",
)

VIDEO_MEDIA_TYPES = (
    "video/mp4",
    "video/webm",
    "video/quicktime",
    "video/x-matroska",
    "video/x-msvideo",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The largest of everything. Lengths of time are in nanoseconds.

    Of watches, and of calls that upload, so many are there at once on one gateway; 0 is no limit.
    """

    max_message_bytes: int = 32 * 1024 * 1024
    max_items_per_job: int = 100
    max_pixels: int = MAX_PIXELS
    max_labels: int = 64
    max_label_key_length: int = 63
    max_label_value_length: int = 255
    max_name_length: int = 255
    max_request_id_length: int = 128
    max_reason_length: int = 256
    max_results: int = MAX_RESULTS
    max_categories: int = MAX_CATEGORIES
    max_category_length: int = MAX_CATEGORY_LENGTH
    max_uri_length: int = MAX_URI_LENGTH
    max_attempts: int = MAX_ATTEMPTS
    max_start_deadline_ns: int = 7 * DAY_NS
    max_execution_timeout_ns: int = MAX_EXECUTION_TIMEOUT_NS
    max_ttl_ns: int = 7 * DAY_NS
    max_wait_ns: int = 60 * SECOND_NS
    max_page_size: int = 500
    max_watch_targets: int = 100
    max_session_calls: int = 256
    max_session_jobs: int = 10_000
    max_session_updates: int = 1024
    max_retries: int = 100
    max_reasons: int = 16
    max_listed_items: int = 10
    max_video_frames: int = MAX_VIDEO_FRAMES
    max_video_time_ns: int = MAX_VIDEO_TIME_NS
    max_fps: float = MAX_FPS
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    max_picture_bytes: int = MAX_PICTURE_BYTES
    max_watches: int = 20_000
    max_uploads: int = 32
    max_webhook_attempts: int = 12
    webhook_timeout_ns: int = 15 * SECOND_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What is used where a request names nothing."""

    model: str = "efficientdet-lite0"
    max_attempts: int = 3
    execution_timeout_ns: int = 60 * SECOND_NS
    ttl_ns: int = DAY_NS
    page_size: int = 50
    max_fps: float = 5.0
    video_execution_timeout_ns: int = HOUR_NS // 4
    upload_ttl_ns: int = DAY_NS
