"""A watcher's place in a job's history."""

from __future__ import annotations

from dataclasses import dataclass

from myeye.errors import ProtocolError
from myeye.states import is_terminal
from myeye.v1.detection_service_pb2 import SessionUpdate, WatchManyResponse, WatchResponse
from myeye.v1.event_pb2 import Event
from myeye.v1.job_pb2 import Job


@dataclass(slots=True)
class Cursor:
    """`sequence` is the last event told, None before a first snapshot; `finished` says that the job's end has been told."""

    sequence: int | None
    finished: bool = False

    def accept(self, update: WatchResponse | WatchManyResponse | SessionUpdate) -> bool:
        """Move on by an update, and say whether it is to be told.

        Raises:
            ProtocolError: an event is missing before it.
        """
        match update.WhichOneof("message"):
            case "event":
                return self._accept_event(update.event)
            case "snapshot":
                return self._accept_snapshot(update.snapshot)
            case "item_progress" | "queue":
                return True
        return False

    def _accept_event(self, event: Event) -> bool:
        if self.sequence is None:
            raise ProtocolError(f"event {event.sequence} came before the snapshot")
        if event.sequence <= self.sequence:
            return False
        if event.sequence != self.sequence + 1:
            raise ProtocolError(f"event {event.sequence} came after event {self.sequence}")
        self.sequence = event.sequence
        self.finished = event.WhichOneof("kind") == "job_finished"
        return True

    def _accept_snapshot(self, job: Job) -> bool:
        if self.sequence is not None and job.last_sequence != self.sequence:
            raise ProtocolError(f"a snapshot at event {job.last_sequence} came after event {self.sequence}")
        self.sequence = job.last_sequence
        self.finished = is_terminal(job.state)
        return True
