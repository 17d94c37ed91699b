"""What the clients saw, as they wrote it down themselves: the only thing that the checker believes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway import ids
from myeye.v1.capabilities_pb2 import Holdings
from myeye.v1.event_pb2 import Event
from myeye.v1.job_pb2 import STATE_SUCCEEDED, Job, State


@dataclass(frozen=True, slots=True)
class Picture:
    """One item as it was asked for. `nature` is what the play detector does with it; see `detector`."""

    nature: str
    content: bytes


class Method(StrEnum):
    """By what call a job comes to be; a Submit in a Session is a Submit."""

    SUBMIT = "Submit"
    RETRY = "Retry"
    RETRY_MANY = "RetryMany"


@dataclass(slots=True)
class Sight:
    """What one watcher was told of a job, across all its connections: sequence and bytes of each durable event, in order."""

    events: list[tuple[int, bytes]] = field(default_factory=list)
    ended_ok: bool = False
    """Whether a stream ended with status OK."""

    @property
    def end(self) -> State.ValueType | None:
        """The state in which the job was said to end."""
        last = Event.FromString(self.events[-1][1]) if self.events else Event()
        return last.job_finished.state if last.HasField("job_finished") else None


@dataclass(slots=True)
class Submission:
    """One job that a client wanted: every id that it was given for the same request, and what was seen of it."""

    request_id: str
    asked: tuple[Picture, ...]
    """Its pictures; those of a retry are what its origin left to do."""
    max_attempts: int
    annotate: bool = False
    principal: str = ""
    label: str = ""
    method: Method = Method.SUBMIT
    origin: Submission | None = None
    """What it repeats."""
    job_ids: list[str] = field(default_factory=list)
    refused: str = ""
    """The reason of a refusal that says that nothing was kept."""
    refused_at_s: float = 0.0
    doubtful: bool = False
    """Whether it may have come to be without anybody being told: what it was to repeat was gone when the call was repeated."""
    cancelled: bool = False
    """Whether Cancel answered OK."""
    sights: list[Sight] = field(default_factory=list)

    @property
    def job_id(self) -> str | None:
        return self.job_ids[0] if self.job_ids else None

    @property
    def retry_of(self) -> str:
        return (self.origin.job_id or "") if self.origin else ""

    @property
    def derived_id(self) -> str:
        """What the job's id must be, whichever gateway makes it."""
        asked = self.retry_of if self.method is Method.RETRY_MANY else self.request_id
        return ids.job_id(self.principal, self.method, asked)

    @property
    def pictures(self) -> tuple[Picture, ...] | None:
        """What is to be looked at; None of a retry of what no watcher saw the end of."""
        return self.origin.left_to_do if self.origin else self.asked

    @property
    def end(self) -> State.ValueType | None:
        """The state in which a watcher saw it end."""
        return next((sight.end for sight in self.sights if sight.end is not None), None)

    @property
    def left_to_do(self) -> tuple[Picture, ...] | None:
        """The pictures that did not succeed, as a watcher saw them end."""
        sight = next((sight for sight in self.sights if sight.end is not None), None)
        if sight is None or self.pictures is None:
            return None
        items = [Event.FromString(body).item_finished.item for _, body in sight.events]
        done = {item.index for item in items if item.state == STATE_SUCCEEDED}
        return tuple(picture for index, picture in enumerate(self.pictures) if index not in done)


@dataclass(slots=True)
class Aftermath:
    """What was found when all faults were over and the work was done."""

    jobs: list[dict[str, Job]] = field(default_factory=list)
    """Of each gateway: what Get tells of every job, by id."""
    histories: list[dict[str, list[tuple[int, bytes]]]] = field(default_factory=list)
    """Of each gateway: the whole history of every job, watched anew."""
    listed: list[dict[str, str]] = field(default_factory=list)
    """Of each gateway: the ids that List gives, each with that of the job which it repeats."""
    holdings: list[dict[str, Holdings]] = field(default_factory=list)
    """Of each gateway: what it says that each principal has."""
    annotated: dict[tuple[str, int], bytes] = field(default_factory=dict)
    """Of every item that succeeded and was to be drawn on: what DownloadAnnotated gave."""
    blob_folders: set[str] = field(default_factory=set)
    """The jobs that have blobs."""
    kept_folders: set[str] = field(default_factory=set)
    """Those that still have blobs when what has no job was removed."""
    gone: set[str] = field(default_factory=set)
    """The jobs whose beginning no replica of the log has."""
    waiting_tasks: int = 0
    unhealed: list[str] = field(default_factory=list)
    """What did not come back by itself, in words."""
    growth: list[str] = field(default_factory=list)
    """What grew beyond its bound, in words."""


@dataclass(slots=True)
class Record:
    """A whole run."""

    submissions: list[Submission] = field(default_factory=list)
    accepted_at_s: list[float] = field(default_factory=list)
    """When a Submit answered OK, from the run's beginning."""
    detector_losses: int = 0
    """How many detector processes were killed or frozen, and so how many pictures may have suffered for it, doubled."""
    blob_troubles: list[tuple[float, float]] = field(default_factory=list)
    """From when to when the blob store was in trouble, so that nothing could be removed from it."""
    undisturbed: bool = False
    """Whether nothing was done to workers, broker, blobs and gateways that could cost a run its worker."""
    told_retried: list[tuple[str, str]] = field(default_factory=list)
    """Of RetryMany: each job that was said to be retried already, and its newest retry."""
    unknown: list[str] = field(default_factory=list)
    """Jobs that a RetryMany spoke of, and nobody was told of."""
    overlooked: list[str] = field(default_factory=list)
    """Jobs that had failed before a RetryMany of all that failed, and of which that said nothing."""
    cut: set[str] = field(default_factory=set)
    """The jobs whose beginning the log has dropped. They are not promised any more."""
    aftermath: Aftermath = field(default_factory=Aftermath)

    def removable(self, at_s: float) -> bool:
        """Tell whether blobs could be removed at that time, and the moments around it."""
        return not any(begin_s - 5 <= at_s <= end_s + 5 for begin_s, end_s in self.blob_troubles)
