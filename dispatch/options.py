"""What an operator can set about a broker, whichever it is."""

from __future__ import annotations

from dataclasses import dataclass

DAY_S = 86_400.0

# What a job may ask for, at most: gateways advertise it and refuse more; workers do not do more, whoever asks.
MAX_ATTEMPTS = 10
MAX_EXECUTION_TIMEOUT_NS = 900 * 1_000_000_000
MAX_RESULTS = 100
MAX_CATEGORIES = 100
MAX_CATEGORY_LENGTH = 255
MAX_FPS = 60.0
MAX_VIDEO_TIME_NS = 86_400 * 1_000_000_000

MAX_UPLOAD_BYTES = 2 * 1024**3
"""Size of one upload, and of one video that is fetched, unless set otherwise."""

MAX_VIDEO_FRAMES = 10_000
"""Frames of one video that are looked at, at most: known to gateways, which advertise it, and to workers, which refuse more."""

MAX_PIXELS = 50_000_000
"""Pixels of one picture, unless set otherwise: gateways advertise the limit, workers enforce it."""

MAX_PICTURE_BYTES = 64 * 1024 * 1024
"""Size of one encoded picture: gateways advertise the limit; workers, which read pictures whole, enforce it first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOptions:
    """Names and limits. All processes of one installation must use the same.

    Lengths of time are in seconds.
    """

    name: str = "myeye"
    """Prefix of every queue, exchange and stream: two installations can share one broker."""
    max_queue_length: int = 100_000
    """Tasks of one model, lane and share that may wait; more are refused."""
    delivery_limit: int = 20
    """Deliveries of one task before the broker makes it a dead letter: a net under max_attempts, above its highest value."""
    log_max_age_s: float = 14 * DAY_S
    """How long the log is kept; jobs must be finished and purged within it."""
    log_max_bytes: int = 20_000_000_000
    log_segment_bytes: int = 50_000_000
    """The log is cut by whole segments."""
    confirm_timeout_s: float = 5.0
    """How long a publish may stay unconfirmed."""
    lease_s: float = 10.0
    """Embedded broker: after this long without a sign of life a consumer's tasks go to others."""
    heartbeat_s: int = 10
    """RabbitMQ: the connection's heartbeat."""
