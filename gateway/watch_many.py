"""WatchMany: the histories of several jobs in one stream.

As in Watch, the histories themselves are the buffer. A watcher keeps a cursor for each job that has not ended, and the store
tells it which of them to look at again.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator, Sequence

from dispatch.codec import timestamp
from dispatch.lifecycle import Job
from gateway.errors import CursorOutOfRange, InvalidRequest, JobNotFound, JobPurged, Unavailable, Violation
from gateway.filter import Filter, read_labels
from gateway.followers import Follower
from gateway.identity.principal import Principal
from gateway.ids import is_job_id
from gateway.limits import Limits
from gateway.store import Store
from gateway.view import View
from gateway.watch import Progress, Watches
from myeye.v1.detection_service_pb2 import Closing, Heartbeat, WatchManyRequest, WatchManyResponse, WatchTarget


class JointWatches:
    """All watches of several jobs at once. They end when `watches` are closed."""

    def __init__(self, store: Store, watches: Watches, limits: Limits) -> None:
        self._store = store
        self._watches = watches
        self._limits = limits

    async def watch(self, principal: Principal, request: WatchManyRequest) -> AsyncGenerator[bytes, None]:
        """Yield serialized WatchManyResponses, until the targets have ended, or without end for labels.

        Raises:
            InvalidRequest, JobsNotFound, CursorOutOfRange: before anything is told.
            JobPurged: a target was removed before its end could be told.
            Unavailable: the gateway is closing, or reads its log anew.
        """
        if violations := tuple(_violations(request, self._limits)):
            raise InvalidRequest(*violations)
        if request.targets:
            await self._check_cursors(principal, request.targets)
            with self._store.followers.following() as follower:
                view = View(self._watches, follower, lambda job_id: self._store.find(principal, job_id))
                for target in request.targets:
                    after = target.after_sequence if target.HasField("after_sequence") else None
                    view.begin(target.job_id, None if after is None else Progress(self._watches, after))
                async for message in self._tell(view, follower, endless=False):
                    yield message
        else:
            wanted = Filter(labels=read_labels(request.labels))
            with self._store.followers.following(arrivals_for=principal) as follower:
                follower.notice(*(job.id for job in self._store.newest_first(principal, None) if wanted.passes(job)))
                view = View(self._watches, follower, lambda job_id: self._select(principal, job_id, wanted))
                async for message in self._tell(view, follower, endless=True):
                    yield message

    async def _check_cursors(self, principal: Principal, targets: Sequence[WatchTarget]) -> None:
        if any(
            self._may_be_behind(principal, target) for target in targets
        ):  # another gateway may have told more than this one has read
            await self._store.journal.barrier()
        jobs = self._store.find_all(principal, (target.job_id for target in targets))
        for target, job in zip(targets, jobs, strict=True):
            if target.HasField("after_sequence") and not 0 <= target.after_sequence <= job.sequence:
                raise CursorOutOfRange(job.id, target.after_sequence, job.sequence)

    def _may_be_behind(self, principal: Principal, target: WatchTarget) -> bool:
        try:
            job = self._store.find(principal, target.job_id)
        except JobPurged:
            return False
        except JobNotFound:  # another's job too, which is to take as long
            return is_job_id(target.job_id)
        return target.after_sequence > job.sequence

    def _select(self, principal: Principal, job_id: str, wanted: Filter) -> Job | None:
        try:
            job = self._store.find(principal, job_id)
        except (JobNotFound, JobPurged):
            return None
        return job if wanted.passes(job) else None

    def _check_caught_up(self) -> None:
        if not self._store.caught_up:
            raise Unavailable("STARTING", "the gateway reads its log anew")

    async def _tell(self, view: View, follower: Follower, *, endless: bool) -> AsyncGenerator[bytes, None]:
        # the first message comes at once, whatever there is to tell
        quiet_since = time.monotonic() - self._watches.heartbeat_s
        while True:
            self._check_caught_up()
            for job_id in follower.take():
                self._check_caught_up()  # a slow client may have kept us for long
                for message in view.untold(job_id):
                    yield message
                    quiet_since = time.monotonic()
            if not (endless or follower.jobs):
                return
            if closing := self._watches.closing:
                yield WatchManyResponse(closing=Closing(reason=closing)).SerializeToString()
                raise Unavailable("DRAINING", closing)
            heartbeat_due = quiet_since + self._watches.heartbeat_s
            await follower.wait(heartbeat_due - time.monotonic())
            if time.monotonic() >= heartbeat_due:
                yield WatchManyResponse(heartbeat=Heartbeat(time=timestamp(time.time_ns()))).SerializeToString()
                quiet_since = time.monotonic()


def _violations(request: WatchManyRequest, limits: Limits) -> Iterator[Violation]:
    if bool(request.targets) == bool(request.labels):
        yield Violation("targets", "either targets or labels must be given, and not both")
    if len(request.targets) > limits.max_watch_targets:
        yield Violation("targets", f"must be at most {limits.max_watch_targets}, not {len(request.targets)}")
        return
    seen: set[str] = set()
    for index, target in enumerate(request.targets):
        if target.job_id in seen:
            yield Violation(f"targets[{index}].job_id", f"job {target.job_id!r} is named before")
        seen.add(target.job_id)
