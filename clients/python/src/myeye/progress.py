"""Jobs as they go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from myeye import render
from myeye.v1.detection_service_pb2 import WatchResponse
from myeye.v1.job_pb2 import Job


class Progress(Protocol):
    """Shows what watches tell."""

    def show(self, job: Job, update: WatchResponse) -> None:
        """Show an update of a job, which is as it was when it was accepted."""


@contextmanager
def live(console: Console) -> Iterator[Progress]:
    """Give bars on a terminal, lines elsewhere."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[job]}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with RichProgress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bars:
        yield Bars(bars)


class Lines:
    """A line for each update that says something new."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: dict[str, str] = {}

    def show(self, job: Job, update: WatchResponse) -> None:
        text = render.update(update, names(job))
        if text != self._last.get(job.id):
            number = f"#{update.event.sequence}" if update.HasField("event") else ""
            self._console.print(f"{job.id}  {number:>3}  {text}", soft_wrap=True)
        self._last[job.id] = text


class Bars:
    """A bar for each job, with its latest update beside it."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def show(self, job: Job, update: WatchResponse) -> None:
        task = self._task(job)
        match update.WhichOneof("message"):
            case "snapshot":
                progress = update.snapshot.progress
                self._bars.update(task, completed=progress.items_done + progress.items_failed)
            case "event" if update.event.HasField("item_finished"):
                self._bars.advance(task)
        self._bars.update(task, description=render.update(update, names(job)))

    def _task(self, job: Job) -> TaskID:
        if job.id not in self._tasks:
            self._tasks[job.id] = self._bars.add_task("", total=job.progress.items_total, job=job.id)
        return self._tasks[job.id]


def names(job: Job) -> dict[int, str]:
    """Give the names of a job's pictures by index."""
    return {item.index: item.name for item in job.items}
