"""What a gateway tells of its calls and of the jobs.

What it did itself (calls, jobs accepted) adds up over the gateways. What it read in the log (jobs that ended, queues, workers)
is the same on every gateway: of these the largest counts, not the sum.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dispatch.fold import Change
from dispatch.lifecycle import Job, State
from dispatch.ports import Lane
from gateway.errors import Exhausted
from gateway.store import Store
from gateway.workers import Workers
from telemetry.buckets import CALL_S, QUICK_S

DEAD_LETTER_REASONS = frozenset({"rejected", "delivery_limit"})
_LANES: Mapping[int, str] = MappingProxyType({lane.value: lane.name for lane in Lane})


class Metrics:
    """Counts as things happen. `store` is looked at when somebody asks, and so is all that `workers` knows."""

    def __init__(self, registry: CollectorRegistry, store: Store, workers: Workers) -> None:
        self._store = store
        self.calls = Counter("myeye_grpc_calls_total", "Calls that have ended.", ["method", "code"], registry=registry)
        self.calls_in_progress = Gauge(
            "myeye_grpc_calls_in_progress",
            "Calls under way; of Watch and WatchMany: the watchers.",
            ["method"],
            registry=registry,
        )
        self.call_durations = Histogram(
            "myeye_grpc_call_duration_seconds",
            "How long calls took, those that stream left out.",
            ["method"],
            buckets=CALL_S,
            registry=registry,
        )
        self._accepted = Counter(
            "myeye_jobs_accepted_total", "Jobs that this gateway accepted.", ["model", "lane"], registry=registry
        )
        self._accepted_items = Counter(
            "myeye_items_accepted_total", "Pictures and videos of the jobs accepted.", ["model", "lane"], registry=registry
        )
        self._finished = Counter(
            "myeye_jobs_finished_total", "Jobs that came to an end, as told by the log.", ["model", "state"], registry=registry
        )
        self._finished_items = Counter(
            "myeye_items_finished_total",
            "Pictures and videos that came to an end, as told by the log.",
            ["model", "state"],
            registry=registry,
        )
        self._refused = Counter(
            "myeye_quota_refusals_total",
            "What was refused because a quota, or a limit on what goes on at once, was used up.",
            ["reason", "subject"],
            registry=registry,
        )
        self._dead_letters = Counter("myeye_dead_letters_total", "Dead letters read.", ["reason"], registry=registry)
        self._webhooks = Counter(
            "myeye_webhook_calls_total", "Calls of webhooks: delivered, retrying or given_up.", ["outcome"], registry=registry
        )
        for outcome in ("delivered", "retrying", "given_up"):
            self._webhooks.labels(outcome)
        self.orphans_removed = Counter(
            "myeye_orphans_removed_total", "Folders of pictures that no job held, and that were removed.", registry=registry
        )
        self._lag = Histogram(
            "myeye_event_log_lag_seconds",
            "From the time that an event has of its writer to its being known here; not of what is read at the start.",
            buckets=QUICK_S,
            registry=registry,
        )
        self._state = _Known(store, workers)
        registry.register(self._state)
        store.observers.append(self._on_change)

    def accepted(self, job: Job) -> None:
        """Count a job whose tasks this gateway has published."""
        labels = (job.spec.model, _lane(job.spec.priority))
        self._accepted.labels(*labels).inc()
        self._accepted_items.labels(*labels).inc(len(job.items))

    def refused(self, excess: Exhausted) -> None:
        """Count a refusal; whose it was is not told, for there may be any number of them."""
        self._refused.labels(excess.reason, excess.subject).inc()

    def webhook(self, outcome: str) -> None:
        """Count a call of a webhook."""
        self._webhooks.labels(outcome).inc()

    def dead_letter(self, reason: str) -> None:
        """Count a dead letter."""
        self._dead_letters.labels(reason if reason in DEAD_LETTER_REASONS else "other").inc()

    def _on_change(self, change: Change) -> None:
        self._state.count(change)
        if not self._store.caught_up:
            return
        self._lag.observe(max(0.0, time.time() - change.event.time_ns / 1e9))  # two clocks: it may come out negative
        before, after = change.before, change.after
        if after is None or before is None:
            return
        if after.state.terminal and not before.state.terminal:
            self._finished.labels(after.spec.model, after.state.name).inc()
        for old, new in zip(before.items, after.items, strict=True):
            if new is not old and new.state.terminal and not old.state.terminal:
                self._finished_items.labels(after.spec.model, new.state.name).inc()


class _Known(Collector):
    """What is known of all, read when somebody asks."""

    def __init__(self, store: Store, workers: Workers) -> None:
        self._store = store
        self._workers = workers
        self._events = 0
        self._newest_ns = 0

    def count(self, change: Change) -> None:
        self._events += 1
        self._newest_ns = change.event.time_ns

    def describe(self) -> Iterator[Metric]:
        yield from ()

    def collect(self) -> Iterator[Metric]:
        yield from self._log()
        yield from self._queues()
        yield from self._present()

    def _log(self) -> Iterator[Metric]:
        caught_up = GaugeMetricFamily("myeye_event_log_caught_up", "1 once the log has been read to its end, 0 before.")
        caught_up.add_metric([], float(self._store.caught_up))
        yield caught_up
        events = CounterMetricFamily("myeye_event_log_events", "Events that were read and changed something, since the start.")
        events.add_metric([], self._events)
        yield events
        newest = GaugeMetricFamily(
            "myeye_event_log_newest_event_timestamp_seconds", "The time of the last event read, in seconds since 1970."
        )
        newest.add_metric([], self._newest_ns / 1e9)
        yield newest

    def _queues(self) -> Iterator[Metric]:
        labels = ["model", "lane"]
        waiting = GaugeMetricFamily("myeye_queue_items", "Pictures and videos that wait for a worker.", labels=labels)
        oldest = GaugeMetricFamily(
            "myeye_queue_oldest_age_seconds",
            "How long the oldest of those that wait has waited; 0 when none does.",
            labels=labels,
        )
        now_s = time.time()
        for queue in self._store.queues.states():
            if queue.lane not in _LANES:  # no gateway accepts such, but a log may hold anything
                continue
            names = [queue.model, _lane(queue.lane)]
            waiting.add_metric(names, queue.waiting)
            oldest.add_metric(names, 0.0 if queue.oldest_ns is None else max(0.0, now_s - queue.oldest_ns / 1e9))
        yield waiting
        yield oldest
        jobs = GaugeMetricFamily("myeye_jobs", "Jobs that are known here, by their states.", labels=["state"])
        known = self._store.queues.jobs
        for state in State:
            jobs.add_metric([state.name], known[state])
        yield jobs

    def _present(self) -> Iterator[Metric]:
        workers = GaugeMetricFamily("myeye_live_workers", "Workers that were heard of lately.", labels=["model"])
        detectors = GaugeMetricFamily("myeye_live_detectors", "Detectors of the workers heard of lately.", labels=["model"])
        for model in self._store.models:
            present = self._workers.of(model)
            workers.add_metric([model], len(present))
            detectors.add_metric([model], sum(presence.detectors for presence in present))
        yield workers
        yield detectors


def _lane(priority: int) -> str:
    return _LANES.get(priority, "OTHER")
