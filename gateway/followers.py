"""Who follows which jobs, and what has changed of them since the follower last looked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from gateway.identity.principal import Principal

K = TypeVar("K")


class Follower:
    """One watcher of any number of jobs.

    Changes are a set of ids and no queue of events: one who does not look for a while costs nothing more. `durable_only` is for
    one whom progress and places in the queue do not concern.
    """

    def __init__(self, followers: Followers) -> None:
        self.durable_only = False
        self.jobs: set[str] = set()
        self._followers = followers
        self._changed: dict[str, None] = {}  # a set in the order of the first change
        self._bell = asyncio.Event()

    def follow(self, job_id: str) -> None:
        """Be told when this job changes."""
        self.jobs.add(job_id)
        self._followers.by_job.setdefault(job_id, set()).add(self)

    def leave(self, job_id: str) -> None:
        """Be told of this job no more."""
        self.jobs.discard(job_id)
        self._changed.pop(job_id, None)
        _remove(self._followers.by_job, job_id, self)

    def notice(self, *job_ids: str) -> None:
        """Have these jobs to look at."""
        self._changed.update(dict.fromkeys(job_ids))
        self.wake()

    def wake(self) -> None:
        """Look, even if no job has changed."""
        self._bell.set()

    def take(self) -> list[str]:
        """Give the jobs to look at, and begin anew."""
        changed, self._changed = list(self._changed), {}
        return changed

    async def wait(self, timeout_s: float) -> None:
        """Return when something has happened since this returned last, or when the time is up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._bell.wait()
                self._bell.clear()


class Followers:
    """All followers of a gateway, by the jobs that they follow, and by the principals whose coming jobs they want to know."""

    def __init__(self) -> None:
        self.by_job: dict[str, set[Follower]] = {}
        self._by_principal: dict[Principal, set[Follower]] = {}

    @contextmanager
    def following(self, arrivals_for: Principal | None = None) -> Iterator[Follower]:
        """Give a follower until the context is left. With `arrivals_for` it is told of new jobs that this principal may see."""
        follower = Follower(self)
        if arrivals_for is not None:
            self._by_principal.setdefault(arrivals_for, set()).add(follower)
        try:
            yield follower
        finally:
            for job_id in list(follower.jobs):
                follower.leave(job_id)
            if arrivals_for is not None:
                _remove(self._by_principal, arrivals_for, follower)

    def changed(self, job_id: str, *, durable: bool = True) -> None:
        """Tell those who follow a job; of what is not durable only those whom it concerns."""
        for follower in self.by_job.get(job_id, ()):
            if durable or not follower.durable_only:
                follower.notice(job_id)

    def arrived(self, owner: str, job_id: str) -> None:
        """Tell those who want to know of new jobs, and may know of one of this owner."""
        for principal, followers in self._by_principal.items():
            if principal.may_see(owner):
                for follower in followers:
                    follower.notice(job_id)

    def wake_all(self) -> None:
        """Tell everybody to look."""
        for followers in (*self.by_job.values(), *self._by_principal.values()):
            for follower in followers:
                follower.wake()


def _remove(index: dict[K, set[Follower]], key: K, follower: Follower) -> None:
    followers = index.get(key, set())
    followers.discard(follower)
    if not followers:
        index.pop(key, None)
