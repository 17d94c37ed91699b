"""Jobs as they go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from myeye import render
from myeye.v1.detection_service_pb2 import WatchResponse
from myeye.v1.job_pb2 import Job


class Progress(Protocol):
    """Shows what watches tell."""

    def show(self, job: Job, update: WatchResponse) -> None:
        """Show an update of a job, which is as it was when it was accepted."""

    def show_upload(self, name: str, sent: int, size: int) -> None:
        """Show that so many bytes were sent, of how many."""


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
        self._tenths: dict[str, int] = {}

    def show(self, job: Job, update: WatchResponse) -> None:
        text = render.update(update, names(job))
        if text != self._last.get(job.id):
            number = f"#{update.event.sequence}" if update.HasField("event") else ""
            self._console.print(f"{job.id}  {number:>3}  {text}", soft_wrap=True)
        self._last[job.id] = text

    def show_upload(self, name: str, sent: int, size: int) -> None:
        tenths = sent * 10 // size
        if tenths != self._tenths.get(name):
            self._console.print(f"{name}: uploaded {tenths * 10}% of {decimal(size)}", soft_wrap=True)
        self._tenths[name] = tenths


class Bars:
    """A bar for each job, with its latest update beside it."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._uploads: dict[str, TaskID] = {}

    def show(self, job: Job, update: WatchResponse) -> None:
        task = self._task(job)
        match update.WhichOneof("message"):
            case "snapshot":
                progress = update.snapshot.progress
                self._bars.update(task, completed=progress.items_done + progress.items_failed)
            case "event" if update.event.HasField("item_finished"):
                self._bars.advance(task)
        self._bars.update(task, description=render.update(update, names(job)))

    def show_upload(self, name: str, sent: int, size: int) -> None:
        if name not in self._uploads:
            self._uploads[name] = self._bars.add_task(f"of {decimal(size)} uploaded", total=100, job=name)
        self._bars.update(self._uploads[name], completed=sent * 100 // size)
        if sent == size:
            self._bars.remove_task(self._uploads.pop(name))

    def _task(self, job: Job) -> TaskID:
        if job.id not in self._tasks:
            self._tasks[job.id] = self._bars.add_task("", total=job.progress.items_total, job=job.id)
        return self._tasks[job.id]


def names(job: Job) -> dict[int, str]:
    """Give the names of a job's pictures by index."""
    return {item.index: item.name for item in job.items}
