"""Cancel: a job's end, asked for."""

from __future__ import annotations

import time

from dispatch.events import Cancelled
from dispatch.journal import new_event_id
from dispatch.lifecycle import Job, State
from gateway.errors import InvalidRequest, JobFinished, JobNotFound, Violation
from gateway.identity.principal import Principal
from gateway.limits import Limits
from gateway.store import Store
from myeye.v1.detection_service_pb2 import CancelRequest


class Canceller:
    """Ends jobs as CANCELLED."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    async def cancel(self, principal: Principal, request: CancelRequest) -> Job:
        """End a job, and give it as it ended.

        Raises:
            InvalidRequest: the reason is too long.
            JobNotFound, JobPurged: as `Store.get`.
            JobFinished: it had ended otherwise.
            BrokerUnavailable: it may or may not be cancelled; safe to repeat.
        """
        if len(request.reason) > self._limits.max_reason_length:
            limit = f"must have at most {self._limits.max_reason_length} characters, not {len(request.reason)}"
            raise InvalidRequest(Violation("reason", limit))
        job = await self._store.get(principal, request.job_id)
        if not job.state.terminal:
            event = Cancelled(id=new_event_id(), job_id=job.id, time_ns=time.time_ns(), reason=request.reason)
            after = (await self._store.journal.commit(event)).after
            if after is None:
                raise JobNotFound(job.id)
            job = after
        if job.state is not State.CANCELLED:
            raise JobFinished(job.state)
        return job
