"""What each principal has, counted from the changes of the log: so every gateway counts the same."""

from __future__ import annotations

from dataclasses import dataclass

from dispatch.fold import Change
from dispatch.lifecycle import Job


@dataclass(frozen=True, slots=True)
class Held:
    """Jobs and items that have not ended, and the bytes of all inputs that are stored."""

    jobs: int = 0
    items: int = 0
    bytes: int = 0

    def __add__(self, other: Held) -> Held:
        return Held(self.jobs + other.jobs, self.items + other.items, self.bytes + other.bytes)

    def __sub__(self, other: Held) -> Held:
        return Held(self.jobs - other.jobs, self.items - other.items, self.bytes - other.bytes)


NOTHING = Held()


class Holdings:
    """What principals have, those left out that have nothing."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    def of(self, principal: str) -> Held:
        return self._held.get(principal, NOTHING)

    def on_change(self, change: Change) -> None:
        """Count what a change gave to a principal or took from it."""
        job = change.after or change.before
        if job is None:
            return
        moved = _held(change.after) - _held(change.before)
        if moved == NOTHING:
            return
        principal = job.spec.principal
        held = self.of(principal) + moved
        if held == NOTHING:
            self._held.pop(principal, None)
        else:
            self._held[principal] = held


def _held(job: Job | None) -> Held:
    if job is None:
        return NOTHING
    if job.state.terminal:
        return Held(bytes=job.stored_bytes)
    return Held(1, sum(not item.state.terminal for item in job.items), job.stored_bytes)
