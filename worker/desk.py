"""What all runs with one model work with."""

from __future__ import annotations

from dataclasses import dataclass

from dispatch.ports import BlobStore, TaskQueue
from worker.backoff import Backoff
from worker.detection import DetectorPool
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
    progress: Progress
    backoff: Backoff
