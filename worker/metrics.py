"""What a worker tells of its work. Nothing of it names a job, and no label has a value that a picture could choose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dispatch.codec import nanoseconds
from dispatch.ports import Kind
from myeye.v1.job_pb2 import Timings
from telemetry.buckets import WORK_S
from worker.detection import DetectorPool

REASONS = frozenset(
    {
        "BLOB_UNAVAILABLE",
        "CATEGORY_UNKNOWN",
        "DETECTOR_CRASHED",
        "EXECUTION_TIMEOUT",
        "IMAGE_INVALID",
        "IMAGE_TOO_LARGE",
        "IMAGE_UNSUPPORTED",
        "INPUT_MISSING",
        "INTERNAL",
        "URI_FORBIDDEN",
        "URI_NOT_FOUND",
        "URI_TOO_LARGE",
        "URI_UNAVAILABLE",
        "VIDEO_INVALID",
        "VIDEO_TOO_LONG",
        "VIDEO_TRUNCATED",
        "VIDEO_UNSUPPORTED",
    }
)
"""Why attempts fail. A detector process that was taken over could invent others: they are counted as OTHER."""
OUTCOMES = ("succeeded", "failed", "retrying", "stopped", "declined", "broken")


class Metrics:
    """Counts as things happen; the pools are looked at when somebody asks."""

    def __init__(self, registry: CollectorRegistry, pools: Sequence[DetectorPool]) -> None:
        self._attempts = Counter(
            "myeye_attempts_total",
            "Attempts that have ended: outcome is succeeded, failed, retrying, stopped, declined or broken.",
            ["model", "kind", "outcome"],
            registry=registry,
        )
        self._failures = Counter(
            "myeye_attempt_failures_total",
            "Attempts that failed, tried again or not, by their cause.",
            ["model", "reason"],
            registry=registry,
        )
        self._running = Gauge("myeye_attempts_in_progress", "Attempts under way.", ["model", "kind"], registry=registry)
        self._stages = Histogram(
            "myeye_stage_duration_seconds",
            "Where the time of successful attempts went. Of a video, decode and detect are the sums of its frames.",
            ["model", "kind", "stage"],
            buckets=WORK_S,
            registry=registry,
        )
        self._frames = Counter("myeye_frames_total", "Frames of videos that were looked at.", ["model"], registry=registry)
        self._dropped = Counter(
            "myeye_tasks_dropped_total",
            "Tasks that were not begun: reason is unreadable, impossible or too_late.",
            ["reason"],
            registry=registry,
        )
        for pool in pools:
            self._announce(pool.model.name)
        registry.register(_Detectors(pools))

    def _announce(self, model: str) -> None:
        """Have the series there before anything happens: the first failure is a change then, and not a beginning."""
        for kind in Kind:
            self._running.labels(model, kind.value)
            for outcome in OUTCOMES:
                self._attempts.labels(model, kind.value, outcome)
        for reason in REASONS:
            self._failures.labels(model, reason)

    def dropped(self, reason: str) -> None:
        """Count a task that is not begun."""
        self._dropped.labels(reason).inc()

    def frame(self, model: str) -> None:
        """Count a frame that was looked at."""
        self._frames.labels(model).inc()

    @contextmanager
    def attempt(self, model: str, kind: Kind) -> Iterator[Tally]:
        """Count an attempt, whose outcome is to be told to the value; one that tells none was broken off."""
        tally = Tally()
        with self._running.labels(model, kind.value).track_inprogress():
            try:
                yield tally
            finally:
                self._attempts.labels(model, kind.value, tally.outcome).inc()
                if tally.reason:
                    self._failures.labels(model, tally.reason if tally.reason in REASONS else "OTHER").inc()
                if tally.timings:
                    self._observe(model, kind, Timings.FromString(tally.timings))

    def _observe(self, model: str, kind: Kind, timings: Timings) -> None:
        for stage, taken in timings.ListFields():
            self._stages.labels(model, kind.value, stage.name).observe(nanoseconds(taken) / 1e9)


class Tally:
    """What became of an attempt."""

    __slots__ = ("outcome", "reason", "timings")

    def __init__(self) -> None:
        self.outcome = "broken"
        self.reason = ""
        self.timings = b""
        """A serialized myeye.v1.Timings, of one that succeeded."""


class _Detectors(Collector):
    def __init__(self, pools: Sequence[DetectorPool]) -> None:
        self._pools = pools

    def collect(self) -> Iterator[Metric]:
        detectors = GaugeMetricFamily(
            "myeye_detectors", "Detector processes: busy, idle, or absent while none could be started.", labels=["model", "state"]
        )
        restarts = CounterMetricFamily(
            "myeye_detector_restarts", "Detector processes that ended and were replaced.", labels=["model"]
        )
        for pool in self._pools:
            census = pool.census
            detectors.add_metric([pool.model.name, "busy"], census.busy)
            detectors.add_metric([pool.model.name, "idle"], census.ready - census.busy)
            detectors.add_metric([pool.model.name, "absent"], pool.detectors - census.ready)
            restarts.add_metric([pool.model.name], census.lost)
        yield detectors
        yield restarts
