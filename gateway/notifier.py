"""Calling the webhooks of jobs that have ended.

Who is owed a call stands in the log, so every gateway knows it, also one that starts later. Before a gateway calls, it says so in
the log: of all who say so for the same attempt the first one has it, until a time that it names. A gateway that is lost in the
middle is so followed by another, which calls again, under the same id.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from dispatch.backoff import Backoff
from dispatch.errors import BrokerUnavailable
from dispatch.events import NoticeBegan, NoticeEnded
from dispatch.fold import Change
from dispatch.journal import new_event_id
from dispatch.lifecycle import Job
from dispatch.uri import HttpsUri, read_https_uri
from dispatch.v1.event_pb2 import JobSpec
from egress.errors import EgressError, Forbidden
from egress.exchange import Exchange, Request, Response
from gateway.messages import Teller
from gateway.store import Store
from gateway.webhook_message import body_of, headers_of
from gateway.webhook_secrets import WebhookSecrets

log = logging.getLogger(__name__)

AT_ONCE = 32
AT_ONCE_EACH = 8
"""Of one principal, whose host may be slow."""
ROOM_S = 0.5
HEAD_START_S = 2.0
"""Of the gateway that accepted a job: it calls at once, and the others only if it does not."""
SPREAD_S = 1.0
LEASE_S = 5.0
"""How much longer than a call may take a gateway has it for itself."""
LONGEST_WAIT_S = 3600.0
"""Of what a host may ask for in Retry-After."""
GONE = 410
POLITE = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call. `lasting`: there is no use in another. `wait_s`: what the other side asked for."""

    error: str = ""
    lasting: bool = False
    wait_s: float = 0.0


class Notifier:
    """Calls whose turn it is, a few at a time; `on_outcome` is told "delivered", "retrying" or "given_up"."""

    def __init__(
        self,
        store: Store,
        teller: Teller,
        exchange: Exchange,
        secrets: WebhookSecrets,
        *,
        most_attempts: int,
        timeout_s: float,
        backoff: Backoff,
        on_outcome: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._teller = teller
        self._exchange = exchange
        self._secrets = secrets
        self._most_attempts = most_attempts
        self._timeout_s = timeout_s
        self._backoff = backoff
        self._on_outcome = on_outcome
        self._ours: set[str] = set()
        self._due: list[tuple[float, str]] = []
        self._active: dict[str, asyncio.Task[None]] = {}
        self._busy: Counter[str] = Counter()
        self._bell = asyncio.Event()
        self._closed = False
        store.observers.append(self._on_change)

    def accepted(self, job: Job) -> None:
        """Note a job that this gateway has accepted."""
        if job.notice is not None:
            self._ours.add(job.id)

    def _on_change(self, change: Change) -> None:
        job = change.after
        if job is not None and job.owes_notice:
            self._expect(job)
        elif job is None or job.state.terminal:
            self._ours.discard(change.event.job_id)

    def _expect(self, job: Job) -> None:
        delay_s = random.uniform(0, SPREAD_S)
        if job.notice and not job.notice.attempts:
            delay_s = 0.0 if job.id in self._ours else HEAD_START_S + delay_s
        heapq.heappush(self._due, (_due_s(job) + delay_s, job.id))
        self._bell.set()

    async def work(self) -> None:
        """Call until this is closed."""
        while not self._closed:
            self._bell.clear()
            self._start_due()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s()):
                    await self._bell.wait()

    def _pause_s(self) -> float | None:
        """Say how long there is nothing to do, if nothing happens meanwhile."""
        if not self._store.caught_up:
            return ROOM_S
        return max(self._due[0][0] - time.time(), 0.0) if self._due else None

    def _start_due(self) -> None:
        while self._store.caught_up and not self._closed and self._due and self._due[0][0] <= time.time():
            _, job_id = heapq.heappop(self._due)
            job = self._store.fold.jobs.get(job_id)
            if job is None or not job.owes_notice or job_id in self._active or _due_s(job) > time.time():
                continue
            if len(self._active) >= AT_ONCE or self._busy[job.spec.principal] >= AT_ONCE_EACH:
                heapq.heappush(self._due, (time.time() + ROOM_S, job_id))
                continue
            self._busy[job.spec.principal] += 1
            self._active[job_id] = asyncio.create_task(self._tell(job))

    async def _tell(self, job: Job) -> None:
        try:
            await self._attempt(job)
        except BrokerUnavailable as error:
            log.warning("the webhook of job %s is called later: %s", job.id, error)
            heapq.heappush(self._due, (time.time() + LEASE_S, job.id))
        except Exception:
            log.exception("the webhook of job %s breaks whoever calls it, and is left alone", job.id)
        finally:
            self._busy[job.spec.principal] -= 1
            if not self._busy[job.spec.principal]:
                del self._busy[job.spec.principal]
            del self._active[job.id]
            if (now := self._store.fold.jobs.get(job.id)) and now.owes_notice:
                self._expect(now)
            self._bell.set()

    async def _attempt(self, job: Job) -> None:
        attempt = job.notice.attempts + 1 if job.notice else 1
        if attempt > self._most_attempts:
            await self._end(job, attempt - 1, Outcome("the gateway that called it was lost", lasting=True))
            return
        now_ns = time.time_ns()
        until_ns = now_ns + round((self._timeout_s + LEASE_S) * 1e9)
        began = NoticeBegan(id=new_event_id(), job_id=job.id, time_ns=now_ns, attempt=attempt, until_ns=until_ns)
        change = await self._store.journal.commit(began)
        if change.applied and change.after is not None:
            await self._end(job, attempt, await self._call(change.after))

    async def _call(self, job: Job) -> Outcome:
        secrets = self._secrets.of(job.spec.principal)
        if not secrets:
            return Outcome("the operator keeps no secret to sign it with", lasting=True)
        uri = read_https_uri(JobSpec.FromString(job.spec.body).webhook)
        body = body_of(self._teller.job(job, items=()))
        request = Request("POST", uri, headers_of(job.id, body, secrets, int(time.time())), body)
        try:
            async with asyncio.timeout(self._timeout_s), self._exchange(request) as response:
                return _judge(uri, response)
        except Forbidden as error:
            return Outcome(str(error), lasting=True)
        except EgressError as error:
            return Outcome(str(error))
        except TimeoutError:
            return Outcome(f"{uri.origin} did not answer within {self._timeout_s:g} s")

    async def _end(self, job: Job, attempt: int, outcome: Outcome) -> None:
        now_ns, next_ns = time.time_ns(), None
        again = bool(outcome.error) and not outcome.lasting and attempt < self._most_attempts
        if again:
            next_ns = now_ns + round(max(self._backoff.delay_s(attempt), outcome.wait_s) * 1e9)
        if outcome.error:
            log.warning(
                "webhook: %s, attempt %d%s", outcome.error, attempt, "" if again else ", the last one", extra={"job": job.id}
            )
        self._on_outcome("retrying" if again else "given_up" if outcome.error else "delivered")
        delivered = not outcome.error
        await self._store.journal.insist(
            NoticeEnded(
                id=new_event_id(),
                job_id=job.id,
                time_ns=now_ns,
                attempt=attempt,
                delivered=delivered,
                error=outcome.error,
                next_ns=next_ns,
            )
        )

    async def close(self) -> None:
        """Begin no more calls, and let those that are under way come to their end, for as long as one may take."""
        self._closed = True
        self._bell.set()
        if self._active:
            await asyncio.wait(self._active.values(), timeout=self._timeout_s)
        for task in list(self._active.values()):
            task.cancel()


def _due_s(job: Job) -> float:
    return max(job.ended_ns or 0, job.notice.due_ns if job.notice else 0) / 1e9


def _judge(uri: HttpsUri, response: Response) -> Outcome:
    if 200 <= response.status < 300:
        return Outcome()
    error = f"{uri.origin} answers {response.status}"
    asked = response.header("retry-after") if response.status in POLITE else ""
    wait_s = min(float(asked), LONGEST_WAIT_S) if asked.isdecimal() else 0.0
    return Outcome(error, lasting=response.status == GONE, wait_s=wait_s)
