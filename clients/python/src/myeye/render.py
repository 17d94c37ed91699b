"""Messages as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC

from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.status_pb2 import Status
from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from myeye.errors import reason
from myeye.frames import Sightings
from myeye.states import state_name
from myeye.v1.capabilities_pb2 import ModelCapabilities
from myeye.v1.detection_pb2 import DetectionResult, FrameResult
from myeye.v1.detection_service_pb2 import ItemProgress, RetryOutcome, WatchResponse
from myeye.v1.event_pb2 import Event
from myeye.v1.job_pb2 import Item, Job, Progress, QueueStatus, State, VideoResult

STYLES: Mapping[State.ValueType, str] = {
    State.STATE_QUEUED: "yellow",
    State.STATE_RUNNING: "cyan",
    State.STATE_SUCCEEDED: "green",
    State.STATE_PARTIALLY_SUCCEEDED: "yellow",
    State.STATE_FAILED: "red",
    State.STATE_CANCELLED: "magenta",
    State.STATE_EXPIRED: "magenta",
}


def job_lines(job: Job) -> Iterator[RenderableType]:
    """Yield a job's facts, one a line."""
    yield Text.assemble("job ", (job.id, "bold"), "  ", state(job.state), f"  {counts(job.progress)}")
    yield f"  model {job.model}, created {clock(job.create_time, dated=True)}"
    if job.labels:
        yield f"  labels {labels(job)}"
    if job.retry_of:
        yield f"  repeats {job.retry_of}"
    if job.HasField("queue"):
        yield f"  {queue(job.queue)}"
    if job.HasField("error"):
        yield Text(f"  {failure(job.error)}", style="red")


def pictures(job: Job, seen: Mapping[int, Sightings]) -> Iterator[RenderableType]:
    """Yield for each picture or video its name and what was found, or why not; `seen` is what the videos show, by item."""
    for item in job.items:
        yield ""
        yield _heading(item)
        if item.result.detections:
            yield detections(item.result)
        if item.index in seen:
            yield sightings(seen[item.index])


def _heading(item: Item) -> Text:
    heading = Text.assemble((item_name(item), "bold"), "  ")
    if item.HasField("video"):
        heading.append(f"{item.video.width_px}x{item.video.height_px}, {frames_done(item.video)}  ")
    match item.state:
        case State.STATE_SUCCEEDED if item.HasField("video"):
            pass
        case State.STATE_SUCCEEDED:
            found = count(len(item.result.detections), "object")
            heading.append(f"{item.result.width_px}x{item.result.height_px}, {found}")
        case State.STATE_FAILED:
            heading.append(f"failed: {failure(item.error)}", "red")
        case _:
            heading.append_text(state(item.state))
    return heading


def detections(result: DetectionResult) -> Table:
    """Make the table of what was found in one picture; boxes are in pixels of the upright picture."""
    table = Table("category", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("score", "x", "y", "width", "height"):
        table.add_column(name, justify="right")
    for found in result.detections:
        edges = found.bounding_box
        table.add_row(
            found.category,
            f"{found.score:.2f}",
            *(str(pixels) for pixels in (edges.x_px, edges.y_px, edges.width_px, edges.height_px)),
        )
    return table


def sightings(seen: Sightings) -> Table:
    """Make the table of what was seen in one video."""
    table = Table("category", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("frames", "best score", "first at", "last at"):
        table.add_column(name, justify="right")
    for each in seen:
        table.add_row(each.category, str(each.frames), f"{each.score:.2f}", f"{each.first_s:.2f} s", f"{each.last_s:.2f} s")
    return table


def frame(frame: FrameResult) -> str:
    """Give what was found in one frame in one line."""
    time_s = frame.time.ToTimedelta().total_seconds()
    found = ", ".join(f"{each.category} {each.score:.2f}" for each in frame.detections)
    return f"{frame.index:>6}  {time_s:>9.3f} s  {found}"


def jobs(listed: Iterable[Job]) -> Table:
    """Make the table of jobs."""
    table = Table("job", "state", "pictures", "model", "created", "labels", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for job in listed:
        done = f"{job.progress.items_done}/{job.progress.items_total}"
        table.add_row(job.id, state(job.state), done, job.model, clock(job.create_time, dated=True), labels(job))
    return table


def failures(listed: Iterable[Job]) -> Table:
    """Make the table of what failed in jobs that were listed with their failed items: a line for each."""
    table = Table("job", "state", "picture", "cause", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("attempts", justify="right")
    for name in ("last worker", "ended"):
        table.add_column(name)
    for job in listed:
        head: tuple[RenderableType, ...] = (job.id, state(job.state))
        ended = clock(job.end_time, dated=True) if job.HasField("end_time") else ""
        for item in job.items:
            table.add_row(*head, item_name(item), failure(item.error), str(item.attempt), item.worker, ended)
            head, ended = ("", ""), ""
        more = job.progress.items_failed - len(job.items)
        if not job.items:
            table.add_row(*head, counts(job.progress), "", "", "", ended)
        elif more > 0:
            table.add_row(*head, f"and {more} more")
    return table


def outcome_of_retry(outcome: RetryOutcome) -> Text:
    """Say what became of a job that was to be retried."""
    if outcome.new_job_id:
        return Text.assemble(outcome.job_id, " is repeated by ", (outcome.new_job_id, "bold"))
    return Text.assemble(outcome.job_id, " is not retried: ", (failure(outcome.error), "red"))


def models(listed: Iterable[ModelCapabilities]) -> Table:
    """Make the table of models."""
    table = Table("model", "", "workers", "detectors", "categories", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for model in listed:
        default = "default" if model.is_default else ""
        known = ", ".join(model.categories) or "not known yet"
        table.add_row(model.name, default, str(model.live_workers), str(model.detectors), known)
    return table


def update(update: WatchResponse, names: Mapping[int, str]) -> str:
    """Give one message of a watch in words."""
    match update.WhichOneof("message"):
        case "snapshot":
            return f"{state_name(update.snapshot.state)}, {counts(update.snapshot.progress)}"
        case "event":
            return event(update.event, names)
        case "item_progress":
            stage = ItemProgress.Stage.Name(update.item_progress.stage).removeprefix("STAGE_").lower()
            return f"{stage} {name_of(update.item_progress.item, names)}{_of_frames(update.item_progress)}"
        case "queue":
            return queue(update.queue)
    return ""


def event(event: Event, names: Mapping[int, str]) -> str:
    """Give an event in words; `names` are those of the items, by index."""
    match event.WhichOneof("kind"):
        case "job_accepted":
            return f"accepted, {count(event.job_accepted.items_total, 'picture')}"
        case "item_started":
            started = event.item_started
            return f"{name_of(started.item, names)}: attempt {started.attempt} on {started.worker}"
        case "frames_detected":
            return f"{name_of(event.frames_detected.item, names)}: {frames_done(event.frames_detected.video)}"
        case "item_retrying":
            retrying = event.item_retrying
            name = name_of(retrying.item, names)
            return f"{name}: attempt {retrying.attempt} failed, another follows: {failure(retrying.error)}"
        case "item_finished":
            item = event.item_finished.item
            return f"{item_name(item)}: {outcome(item)}"
        case "job_finished":
            return f"{state_name(event.job_finished.state)}, {counts(event.job_finished.progress)}"
    return "something that this version does not know"


def outcome(item: Item) -> str:
    """Say how an item ended."""
    if item.state == State.STATE_SUCCEEDED and item.HasField("video"):
        return frames_done(item.video)
    if item.state == State.STATE_SUCCEEDED:
        return count(len(item.result.detections), "object")
    cause = failure(item.error) if item.state == State.STATE_FAILED else item.error.message
    return f"{state_name(item.state).lower()}: {cause}"


def frames_done(video: VideoResult) -> str:
    """Say how far a video is."""
    return f"{video.frames_done} of {count(video.frames_total, 'frame')}"


def _of_frames(progress: ItemProgress) -> str:
    return f", frame {progress.frames_done} of {progress.frames_total}" if progress.frames_total else ""


def queue(status: QueueStatus) -> str:
    """Say where a job waits."""
    if status.waiting_reason:
        return f"queued: {status.waiting_reason}"
    return f"queued, about {count(status.approximate_position, 'picture')} before it"


def counts(progress: Progress) -> str:
    """Say how far a job is."""
    failed = f", {progress.items_failed} not" if progress.items_failed else ""
    return f"{progress.items_done} of {count(progress.items_total, 'picture')} done{failed}"


def failure(error: Status) -> str:
    """Give a failure's reason and message."""
    return f"{reason(error) or 'failed'}: {error.message}"


def state(value: State.ValueType) -> Text:
    """Give a state in its colour."""
    return Text(state_name(value), style=STYLES.get(value, ""))


def labels(job: Job) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(job.labels.items()))


def item_name(item: Item) -> str:
    return item.name or f"picture {item.index}"


def name_of(index: int, names: Mapping[int, str]) -> str:
    return names.get(index) or f"picture {index}"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def clock(time: Timestamp, *, dated: bool = False) -> str:
    """Give a time where the reader is."""
    return f"{time.ToDatetime(UTC).astimezone():{'%Y-%m-%d %H:%M:%S' if dated else '%H:%M:%S'}}"
