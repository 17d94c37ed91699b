"""What all runs with one model work with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from dispatch.backoff import Backoff
from dispatch.options import MAX_UPLOAD_BYTES
from dispatch.ports import BlobStore, TaskQueue
from egress.fetch import Fetcher
from telemetry.tracing import Tracer
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
    fetcher: Fetcher | None = None
    """None of a worker that fetches nothing."""
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    """Of a video that is fetched."""
