"""What all runs with one model work with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from dispatch.ports import BlobStore, TaskQueue
from telemetry.tracing import Tracer
from worker.backoff import Backoff
from worker.detection import DetectorPool
from worker.metrics import Metrics
from worker.report import Progress
from worker.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The tools at hand."""

    worker: str
    view: View
    tasks: TaskQueue
    blobs: BlobStore
    pool: DetectorPool
    frames: asyncio.Semaphore
    """One for each frame that may be on its way through the pool: they are shared by the videos that run."""
    max_pixels: int
    progress: Progress
    metrics: Metrics
    tracer: Tracer
    backoff: Backoff
