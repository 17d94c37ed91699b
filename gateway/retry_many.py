"""RetryMany: no job is retried more than once, however many calls are made, on whatever gateways.

The id of the new job is derived from the old one's, so two calls that cross make the same job, and the fold takes it once. Which
call made it stands in the log too, as its request_id: so a call that is repeated finds its own again and tells them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dispatch.lifecycle import Job, State
from gateway.errors import (
    Exhausted,
    InputMissing,
    InvalidRequest,
    JobNotFinished,
    JobNotFound,
    JobPurged,
    JobRetried,
    JobSucceeded,
    QueueIsFull,
    Refusal,
    Violation,
)
from gateway.filter import FAILED_STATES, UNSUCCESSFUL_STATES, Filter
from gateway.identity.principal import Principal
from gateway.limits import Limits
from gateway.page_token import read_token, write_token
from gateway.store import Store
from gateway.submit import Submitter
from myeye.v1.detection_service_pb2 import RetryManyRequest
from myeye.v1.job_pb2 import State as PublicState

AT_ONCE = 8
MAX_ITEMS = 500
"""Items that one call with a filter retries, unless a single job has more: a call must end before its caller loses patience."""

OF_ONE_JOB = (JobNotFound, JobPurged, JobNotFinished, JobSucceeded, JobRetried, InputMissing, QueueIsFull, Exhausted)
"""What is told of a job, while the others are retried. All else is of the broker or the blob store, and so of the whole call."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job: the new one, and whether an earlier call made that; or why there is none."""

    job_id: str
    new: Job | None = None
    replayed: bool = False
    refusal: Refusal | None = None


class Retries:
    """Retries several jobs."""

    def __init__(self, store: Store, submitter: Submitter, limits: Limits) -> None:
        self._store = store
        self._submitter = submitter
        self._limits = limits

    async def retry_many(self, principal: Principal, request: RetryManyRequest) -> tuple[Sequence[Outcome], str]:
        """Retry the jobs that are named or match; give what became of each, and where to go on ("" when there are no more).

        Raises:
            InvalidRequest: nothing was done.
            BrokerUnavailable, BlobUnavailable, Unavailable: some may have been retried; safe to repeat.
        """
        if violations := tuple(_violations(request, self._limits)):
            raise InvalidRequest(*violations)
        wanted = _filter(request, self._limits)
        digest = wanted.digest("RetryMany", principal, request.request_id)
        before = read_token(request.page_token, digest)
        await self._store.journal.barrier()  # a retry that another gateway made a moment ago counts
        if request.job_ids:
            return await self._each(principal, request.job_ids, request.request_id), ""
        candidates = filter(wanted.passes, self._store.newest_first(principal, before))
        size = min(request.page_size or self._limits.max_retries, self._limits.max_retries)
        jobs, more = _batch((job for job in candidates if self._is_due(job, request.request_id)), size)
        outcomes = await self._each(principal, [job.id for job in jobs], request.request_id)
        return outcomes, write_token(digest, (jobs[-1].accepted_ns, jobs[-1].id)) if more else ""

    def _is_due(self, job: Job, request_id: str) -> bool:
        if request_id and job.spec.retry_request_id == request_id:
            return False  # this very request has made it: should it have failed meanwhile, that is for another request
        return not self._store.retries_of(job.id) or self._submitter.has_retried(job, request_id)

    async def _each(self, principal: Principal, job_ids: Sequence[str], request_id: str) -> Sequence[Outcome]:
        """Retry some at once; stop after those that the broker or the blob store has failed."""
        outcomes: list[Outcome] = []
        for start in range(0, len(job_ids), AT_ONCE):
            these = job_ids[start : start + AT_ONCE]
            ended = await asyncio.gather(*(self._one(principal, job_id, request_id) for job_id in these), return_exceptions=True)
            for outcome in ended:
                if isinstance(outcome, BaseException):
                    raise outcome
                outcomes.append(outcome)
        return outcomes

    async def _one(self, principal: Principal, job_id: str, request_id: str) -> Outcome:
        try:
            job, replayed = await self._submitter.retry_once(principal, job_id, request_id)
        except OF_ONE_JOB as refusal:
            return Outcome(job_id, refusal=refusal)
        return Outcome(job_id, job, replayed)


def _batch(candidates: Iterator[Job], size: int) -> tuple[Sequence[Job], bool]:
    """Take as many as one call retries, and tell whether there are more."""
    taken: list[Job] = []
    items = 0
    for job in candidates:
        items += len(job.items) - job.count(State.SUCCEEDED)
        if taken and (len(taken) == size or items > MAX_ITEMS):
            return taken, True
        taken.append(job)
    return taken, False


def _filter(request: RetryManyRequest, limits: Limits) -> Filter:
    asked = type(request.filter)()
    asked.CopyFrom(request.filter)
    if not asked.states:
        asked.states.extend(PublicState.ValueType(state) for state in sorted(FAILED_STATES))
    try:
        return Filter.of(asked, limits)
    except InvalidRequest as error:
        raise InvalidRequest(*_inside("filter", error.violations)) from error


def _inside(field: str, violations: Iterable[Violation]) -> Iterator[Violation]:
    return (Violation(f"{field}.{violation.field}", violation.description) for violation in violations)


def _violations(request: RetryManyRequest, limits: Limits) -> Iterator[Violation]:
    if len(request.request_id) > limits.max_request_id_length:
        limit = f"must have at most {limits.max_request_id_length} characters, not {len(request.request_id)}"
        yield Violation("request_id", limit)
    if bool(request.job_ids) == request.HasField("filter"):
        yield Violation("job_ids", "either job_ids or filter must be given, and not both")
    if len(request.job_ids) > limits.max_retries:
        yield Violation("job_ids", f"must be at most {limits.max_retries}, not {len(request.job_ids)}")
    seen: set[str] = set()
    for index, job_id in enumerate(request.job_ids[: limits.max_retries]):
        if job_id in seen:
            yield Violation(f"job_ids[{index}]", "is named twice")
        seen.add(job_id)
    if request.page_size < 0:
        yield Violation("page_size", "must not be negative")
    if request.page_token and not request.HasField("filter"):
        yield Violation("page_token", "belongs to a filter")
    for index, state in enumerate(request.filter.states):
        if int(state) not in UNSUCCESSFUL_STATES:
            names = ", ".join(f"STATE_{each.name}" for each in sorted(UNSUCCESSFUL_STATES))
            yield Violation(f"filter.states[{index}]", f"must be one of {names}")
