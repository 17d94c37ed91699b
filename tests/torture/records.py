"""What the clients saw, as they wrote it down themselves: the only thing that the checker believes."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway import ids
from myeye.v1.job_pb2 import Job

NOBODY = ""
"""The principal of all clients."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One item as it was asked for. `nature` is what the play detector does with it; see `detector`."""

    nature: str
    content: bytes


@dataclass(slots=True)
class Sight:
    """What one watcher was told of a job, across all its connections: sequence and bytes of each durable event, in order."""

    events: list[tuple[int, bytes]] = field(default_factory=list)
    ended_ok: bool = False
    """Whether a stream ended with status OK."""


@dataclass(slots=True)
class Submission:
    """One job that a client wanted: every id that Submit gave for its request_id, and what was seen of it."""

    request_id: str
    pictures: tuple[Picture, ...]
    max_attempts: int
    annotate: bool = False
    job_ids: list[str] = field(default_factory=list)
    refused: str = ""
    """The reason of a refusal that says that nothing was kept."""
    refused_at_s: float = 0.0
    cancelled: bool = False
    """Whether Cancel answered OK."""
    sights: list[Sight] = field(default_factory=list)

    @property
    def job_id(self) -> str | None:
        return self.job_ids[0] if self.job_ids else None

    @property
    def derived_id(self) -> str:
        """What the job's id must be, whichever gateway makes it."""
        return ids.job_id(NOBODY, "Submit", self.request_id)


@dataclass(slots=True)
class Aftermath:
    """What was found when all faults were over and the work was done."""

    jobs: list[dict[str, Job]] = field(default_factory=list)
    """Of each gateway: what Get tells of every job, by id."""
    histories: list[dict[str, list[tuple[int, bytes]]]] = field(default_factory=list)
    """Of each gateway: the whole history of every job, watched anew."""
    listed: list[set[str]] = field(default_factory=list)
    """Of each gateway: the ids that List gives."""
    annotated: dict[tuple[str, int], bytes] = field(default_factory=dict)
    """Of every item that succeeded and was to be drawn on: what DownloadAnnotated gave."""
    blob_folders: set[str] = field(default_factory=set)
    """The jobs that have blobs."""
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
    cut: set[str] = field(default_factory=set)
    """The jobs whose beginning the log has dropped. They are not promised any more."""
    aftermath: Aftermath = field(default_factory=Aftermath)

    def removable(self, at_s: float) -> bool:
        """Tell whether blobs could be removed at that time, and the moments around it."""
        return not any(begin_s - 5 <= at_s <= end_s + 5 for begin_s, end_s in self.blob_troubles)
