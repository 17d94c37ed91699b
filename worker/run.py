"""One try of one task: from the delivery in hand until it may be forgotten.

The order is what makes it safe. The start stands in the log before any work counts, the outcome stands in the log before the
task is acked, and the next task is confirmed before the old one is acked. Whoever dies in between leaves a task that is
delivered again. Whether an item is this run's, and whether it gets another attempt, is read from the log and nowhere else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from dispatch.codec import nanoseconds
from dispatch.events import Expired, Succeeded
from dispatch.fold import Change
from dispatch.journal import new_event_id
from dispatch.lifecycle import State
from dispatch.ports import Delivery, Kind
from dispatch.task import ImpossibleTask, UnreadableTask, check_task, kind_of, read_task
from dispatch.trace import enter, valid
from dispatch.v1.task_pb2 import Task
from telemetry.tracing import Attributes, Span
from telemetry.tracing import Kind as SpanKind
from worker.attempt import Attempt
from worker.desk import Desk
from worker.failure import FORESEEN, failure_of
from worker.metrics import Tally
from worker.picture_work import PictureWork
from worker.remote_work import RemoteWork
from worker.retry import retry
from worker.video.work import VideoWork
from worker.view import ItemLost, item_of
from worker.work import Work

log = logging.getLogger(__name__)


async def run(desk: Desk, delivery: Delivery) -> None:
    """Do what the delivered task asks for, if it is still wanted, and settle the delivery."""
    try:
        task = read_task(delivery.body)
    except UnreadableTask as error:
        log.error("a task of %d bytes is not readable and becomes a dead letter: %s", len(delivery.body), error)
        desk.metrics.dropped("unreadable")
        await delivery.reject()
        return
    try:
        check_task(task)
    except ImpossibleTask as error:
        log.error("not to be done, it becomes a dead letter: %s", error, extra={"job": task.job_id, "item": task.item})
        desk.metrics.dropped("impossible")
        await delivery.reject()
        return
    if _too_late(task, delivery) and await _expired(desk, task):
        log.info("too late to start", extra={"job": task.job_id, "item": task.item})
        desk.metrics.dropped("too_late")
        await delivery.ack()
    else:
        kind = kind_of(task)
        with desk.metrics.attempt(desk.pool.model.name, kind) as tally, _span(desk, task, kind, tally) as span:
            await _Run(desk, delivery, Attempt.begin(task), tally, span).execute()


@contextmanager
def _span(desk: Desk, task: Task, kind: Kind, tally: Tally) -> Iterator[Span]:
    """Let what is done in the context belong to the trace of the call that asked for it."""
    what: Attributes = {"myeye.job": task.job_id, "myeye.item": task.item, "myeye.worker": desk.worker, "myeye.kind": kind.value}
    with desk.tracer.span(f"attempt {desk.pool.model.name}", SpanKind.CONSUMER, valid(task.traceparent), what) as span:
        enter(span.traceparent)
        yield span
        span.set(myeye__outcome=tally.outcome)
        if tally.reason:
            span.set(myeye__reason=tally.reason)
            span.fail(tally.reason)


def _too_late(task: Task, delivery: Delivery) -> bool:
    if not task.HasField("start_deadline_time") or delivery.redelivered or task.attempt > 1:
        return False
    return time.time_ns() > nanoseconds(task.start_deadline_time)


async def _expired(desk: Desk, task: Task) -> bool:
    """Report that the start deadline has passed, and tell whether that ended the item: it may have been begun and handed back."""
    verdict = await desk.view.journal.insist(Expired(id=new_event_id(), job_id=task.job_id, time_ns=time.time_ns()))
    item = item_of(verdict.after, task.item)
    return desk.view.knows(task.job_id) if item is None else item.state.terminal


def _work_of(desk: Desk, attempt: Attempt) -> Work:
    if attempt.task.HasField("remote"):
        return RemoteWork(desk, attempt)
    return VideoWork(desk, attempt) if attempt.task.HasField("video") else PictureWork(desk, attempt)


class _Run:
    def __init__(self, desk: Desk, delivery: Delivery, attempt: Attempt, tally: Tally, span: Span) -> None:
        self._desk = desk
        self._delivery = delivery
        self._attempt = attempt
        self._tally = tally
        self._span = span
        self._work = _work_of(desk, attempt)

    async def execute(self) -> None:
        fetch = asyncio.ensure_future(self._work.fetch())  # most tasks are wanted: read the input while the log is asked
        try:
            verdict = await self._desk.view.journal.insist(self._attempt.started(self._desk.worker))
            if self._desk.view.owned(self._attempt.claim):
                await self._do(fetch)
            else:
                await self._decline(verdict)
        finally:
            fetch.cancel()
            await asyncio.gather(fetch, return_exceptions=True)
            await self._work.close()
            self._desk.progress.finished(self._attempt.claim)

    async def _decline(self, verdict: Change) -> None:
        self._tally.outcome = "declined"
        item = item_of(verdict.after, self._attempt.claim.item)
        if verdict.applied and item is not None and item.state is State.FAILED:
            self._attempt.log.warning("every attempt was lost with its worker, the task becomes a dead letter")
            await self._delivery.reject()
        else:
            self._attempt.log.info("not wanted: %s", verdict.ignored or "the job has ended")
            await self._delivery.ack()

    async def _do(self, fetch: asyncio.Future[None]) -> None:
        if item := self._desk.view.item(self._attempt.claim):
            self._attempt = replace(self._attempt, number=item.attempt)
        self._span.set(myeye__attempt=self._attempt.number)
        self._attempt.log.debug("started")
        try:
            async with self._desk.view.holding(self._attempt.claim):
                try:
                    succeeded = await self._work.do(fetch)
                finally:
                    self._attempt = replace(self._attempt, fetched_bytes=self._work.fetched_bytes)
                    self._tell_stages()
        except ItemLost:
            self._tally.outcome = "stopped"
            self._attempt.log.info("stopped: the item is no longer this run's")
            await self._delivery.ack()
        except FORESEEN as error:
            self._attempt.log.warning("failed: %s", error)
            await self._fail(error)
        except Exception as error:
            self._attempt.log.exception("failed unexpectedly")
            await self._fail(error)
        else:
            await self._succeed(succeeded)

    def _tell_stages(self) -> None:
        if self._desk.tracer.on:
            for name, begun_ns, ended_ns in self._attempt.trail.stages(time.time_ns()):
                self._desk.tracer.past(name, self._span.traceparent, begun_ns, ended_ns, {})

    async def _succeed(self, event: Succeeded) -> None:
        verdict = await self._desk.view.journal.insist(event)
        self._tally.outcome, self._tally.timings = "succeeded", event.timings
        self._attempt.log.info("succeeded%s", verdict.ignored and f", unheard: {verdict.ignored}")
        await self._delivery.ack()

    async def _fail(self, error: Exception) -> None:
        what = failure_of(error)
        self._tally.outcome, self._tally.reason = "failed", what.failure.reason
        if what.retryable:
            if await retry(self._desk, self._delivery, self._attempt, what.failure):
                self._tally.outcome = "retrying"
        else:
            await self._desk.view.journal.insist(self._attempt.failed(what.failure))
            await self._delivery.ack()
