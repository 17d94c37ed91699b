"""Pictures that no job holds, left by a gateway that died in a Submit, or whose Accepted event was not confirmed.

Nothing in the log says that they were to come, and a Submit under way looks just like them. So one must have been seen here for
longer than any Submit takes, by a clock that nobody sets, and in all that time the log must not have told of its job. A blob
store may be shared with other logs: only what was stored by a gateway that this log knows as a writer is this log's to judge.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

from dispatch.errors import BlobUnavailable, BrokerUnavailable, ConfigurationError
from dispatch.ports import BlobStore
from dispatch.v1.event_pb2 import JobSpec
from gateway.order import Folder, folder_of
from gateway.store import Store

log = logging.getLogger(__name__)

JOBS = "jobs/"
"""The pictures of all jobs lie below it."""
PAUSE_S = 3600.0
ORPHAN_AGE_S = 3 * 3600.0
"""Far more than STORING_LIMIT_S of `gateway.submit`, after which no Submit goes on with what it has stored."""


class Orphans:
    """Finds and removes them. `clock` gives seconds, and never goes back."""

    def __init__(
        self,
        store: Store,
        blobs: BlobStore,
        *,
        age_s: float = ORPHAN_AGE_S,
        clock: Callable[[], float] = time.monotonic,
        on_removed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._age_s = age_s
        self._clock = clock
        self._on_removed = on_removed
        self._seen: Mapping[Folder, float] = {}

    async def sweep_for_ever(self) -> None:
        """Look at random times, so that several gateways do not look at once."""
        while True:
            await asyncio.sleep(random.uniform(0.5, 1.5) * PAUSE_S)
            try:
                await self.sweep()
            except (BlobUnavailable, BrokerUnavailable, ConfigurationError) as error:
                log.warning("orphaned pictures are left for later: %s", error)

    async def sweep(self) -> None:
        """Note what has no job, and remove what has had none for too long.

        Raises:
            BlobUnavailable, BrokerUnavailable, ConfigurationError: not all was looked at; it is safe to look again.
        """
        now = self._clock()
        folders = defaultdict[str, set[Folder]](set)
        for blob in await self._blobs.list(JOBS):
            if folder := folder_of(blob.name):
                folders[folder.job_id].add(folder)
        await self._store.journal.barrier()  # whatever was stored by a Submit that has been accepted by now has its job
        if not self._store.caught_up:
            return
        self._seen = {
            folder: self._seen.get(folder, now)
            for job_id, of_job in folders.items()
            for folder in of_job - self._held(job_id, of_job)
            if folder.writer in self._store.fold.writers
        }
        for folder, since in self._seen.items():
            if now - since >= self._age_s:
                await self._blobs.delete_prefix(folder.prefix)
                self._on_removed()
                log.warning("removed pictures that no job holds: %s", folder.prefix)

    def _held(self, job_id: str, folders: set[Folder]) -> set[Folder]:
        """Give those that a job holds: not all, where an earlier Submit with its request_id died."""
        job = self._store.fold.jobs.get(job_id)
        if job is None:
            return set()
        if len(folders) == 1:
            return folders
        return {folder for source in JobSpec.FromString(job.spec.body).inputs if (folder := folder_of(source.blob))}
