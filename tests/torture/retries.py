"""One client's retries: of single jobs, of several by their ids, and of all that failed, by a filter.

Calls are cut on purpose, made twice at once on two gateways, and repeated, always with the same request_id.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from myeye.v1.detection_service_pb2 import RetryFilter, RetryManyRequest, RetryOutcome
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from myeye.v1.job_pb2 import STATE_CANCELLED, STATE_FAILED, STATE_PARTIALLY_SUCCEEDED
from tests.torture.callers import Caller
from tests.torture.calls import CALL_S, DOUBT, PASSING, info_in, retry_many
from tests.torture.records import Method, Record, Submission

UNSUCCESSFUL = (STATE_FAILED, STATE_PARTIALLY_SUCCEEDED, STATE_CANCELLED)
GENERATIONS = 3
"""How often what fails again is retried: some pictures always fail."""
BATCH = 4
PAGE = 3
SOON_S = 0.2
"""A call that is cut on purpose is given up within this time."""


class Retries:
    """What a client does about jobs that it saw fail. `made` is told of each job that a call made, once."""

    def __init__(
        self,
        caller: Caller,
        label: str,
        record: Record,
        chance: random.Random,
        *,
        any_stub: Callable[[], DetectionServiceStub],
        now_s: Callable[[], float],
        made: Callable[[Submission], None],
    ) -> None:
        self._caller = caller
        self._label = label
        self._record = record
        self._chance = chance
        self._any_stub = any_stub
        self._now_s = now_s
        self._made = made
        self._calls = 0
        self._generation: dict[str, int] = {}
        self._by_id: dict[str, Submission] = {}
        self._failed: dict[str, Submission] = {}
        """Seen to fail, and not retried."""
        self._retried: dict[str, Submission] = {}
        self._by_many: dict[str, Submission] = {}
        """What RetryMany has made, by the job that it repeats."""

    def accepted(self, submission: Submission) -> None:
        """Know a job that came to be."""
        self._by_id[submission.job_id or ""] = submission

    def ended(self, submission: Submission) -> None:
        """Note a job that was seen to end."""
        job_id = submission.job_id or ""
        generation = self._generation.get(submission.retry_of, 0)
        self._generation[job_id] = generation + 1
        if submission.end in UNSUCCESSFUL and generation < GENERATIONS and job_id not in self._retried:
            self._failed[job_id] = submission

    def _next_request(self) -> str:
        """Name another request."""
        self._calls += 1
        return f"{self._label}-retry-{self._calls}"

    def one(self) -> Submission | None:
        """Choose a job, and say what its Retry is to be; None if there is nothing to retry."""
        if not self._failed:
            return None
        job_id = self._chance.choice(list(self._failed))
        old = self._retried[job_id] = self._failed.pop(job_id)
        return self._again(old, Method.RETRY, self._next_request())

    async def named(self) -> None:
        """Retry some by their ids, at times one that was retried before, at times twice at once under other request_ids."""
        chosen = list(self._failed)[:BATCH]
        if not chosen:
            return
        for job_id in chosen:
            del self._failed[job_id]
        if self._retried and self._chance.random() < 0.3:
            chosen.append(self._chance.choice(list(self._retried)))
        request = RetryManyRequest(request_id=self._next_request(), job_ids=dict.fromkeys(chosen))
        if self._chance.random() < 0.25:
            other = RetryManyRequest(request_id=self._next_request(), job_ids=request.job_ids)
            await asyncio.gather(self._until_plain(request), self._until_plain(other))
        else:
            await self._until_plain(request)
        if self._chance.random() < 0.3:
            await self._until_plain(request)

    async def all_that_failed(self) -> None:
        """Retry by a filter whatever of this client's failed, page after page."""
        due, self._failed = self._failed, {}
        wanted = RetryFilter(states=UNSUCCESSFUL, labels=[f"client={self._label}"])
        request = RetryManyRequest(request_id=self._next_request(), filter=wanted, page_size=PAGE)
        told: set[str] = set()
        while True:
            outcomes, request.page_token = await self._until_plain(request)
            told |= {outcome.job_id for outcome in outcomes}
            if not request.page_token:
                break
        self._record.overlooked += [job_id for job_id in due if job_id not in told and job_id not in self._retried]

    async def _until_plain(self, request: RetryManyRequest) -> tuple[Sequence[RetryOutcome], str]:
        """Ask until every outcome is plain: a call that was cut may still make what a later one was refused."""
        in_doubt = False
        while True:
            cut = self._chance.random() < 0.25
            try:
                limit_s = self._chance.uniform(0, SOON_S) if cut else CALL_S
                outcomes, token = await retry_many(self._any_stub(), self._caller, request, limit_s=limit_s)
            except DOUBT:
                in_doubt = True
            else:
                refused = [outcome for outcome in outcomes if self._note(outcome, request.request_id, in_doubt=in_doubt)]
                if not (in_doubt and refused):
                    return outcomes, token
            await asyncio.sleep(self._chance.uniform(0.1, 0.5))

    def _note(self, outcome: RetryOutcome, request_id: str, *, in_doubt: bool) -> bool:
        """Write down what became of a job; tell whether it may be another time."""
        old = self._by_id.get(outcome.job_id)
        if old is None:
            self._record.unknown.append(outcome.job_id)
            return False
        if outcome.new_job_id:
            self._note_made(old, outcome.new_job_id, request_id)
            return False
        info = info_in(outcome.error)
        if info.reason == "JOB_RETRIED":
            self._record.told_retried.append((outcome.job_id, info.metadata["job_id"]))
        elif not (in_doubt and info.reason in PASSING):
            refused = self._again(old, Method.RETRY_MANY, request_id)
            refused.refused, refused.refused_at_s = info.reason, self._now_s()
            refused.doubtful = in_doubt
            self._record.submissions.append(refused)
            if info.reason in PASSING and outcome.job_id not in self._retried:
                self._failed[outcome.job_id] = old
        return info.reason in PASSING

    def _note_made(self, old: Submission, new_id: str, request_id: str) -> None:
        made = self._by_many.get(old.job_id or "")
        if made is not None:
            made.job_ids.append(new_id)
            return
        made = self._by_many[old.job_id or ""] = self._again(old, Method.RETRY_MANY, request_id)
        made.job_ids.append(new_id)
        self._failed.pop(old.job_id or "", None)
        self._retried[old.job_id or ""] = old
        self._record.submissions.append(made)
        self._made(made)

    def _again(self, old: Submission, method: Method, request_id: str) -> Submission:
        return Submission(
            request_id=request_id,
            asked=(),
            max_attempts=old.max_attempts,
            annotate=old.annotate,
            principal=old.principal,
            label=old.label,
            method=method,
            origin=old,
        )
