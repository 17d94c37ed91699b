"""What follows a failure that another attempt may heal."""

from __future__ import annotations

import asyncio
import time

from dispatch.backoff import Backoff
from dispatch.errors import BrokerUnavailable, QueueFull
from dispatch.events import Failure
from dispatch.fold import Change
from dispatch.lifecycle import State
from dispatch.ports import Delivery
from worker.attempt import Attempt, new_task_id
from worker.desk import Desk
from worker.view import item_of

UNCONFIRMED = Backoff(base_s=0.1, cap_s=5.0)


async def retry(desk: Desk, delivery: Delivery, attempt: Attempt, failure: Failure) -> bool:
    """Report the failure, let the log decide whether there is another attempt, settle the delivery accordingly, and tell it."""
    if not desk.view.knows(attempt.claim.job_id) and attempt.number >= attempt.task.max_attempts:
        await desk.view.journal.insist(attempt.failed(failure))
        await _give_up(delivery, attempt)
        return False
    task_id, delay_s = new_task_id(), desk.backoff.delay_s(attempt.number)
    verdict = await desk.view.journal.insist(attempt.failed_for_now(failure, next_task_id=task_id, delay_s=delay_s))
    if _goes_on(desk, verdict, attempt, task_id):
        await _postpone(desk, delivery, attempt, task_id, delay_s)
        return True
    if _used_up(verdict, attempt):
        await _give_up(delivery, attempt)
    else:
        attempt.log.info("failure unheard: %s", verdict.ignored)
        await delivery.ack()
    return False


# A verdict is read from the item as it stands, not from whether the event applied: of an event that had to be sent again, the
# first copy may have applied unseen.


def _goes_on(desk: Desk, verdict: Change, attempt: Attempt, task_id: str) -> bool:
    item = item_of(verdict.after, attempt.claim.item)
    if item is None:
        return not desk.view.knows(attempt.claim.job_id)
    return item.state is State.QUEUED and item.task_id == task_id


def _used_up(verdict: Change, attempt: Attempt) -> bool:
    item = item_of(verdict.after, attempt.claim.item)
    return item is not None and item.state is State.FAILED and item.run_id == attempt.claim.run_id


async def _give_up(delivery: Delivery, attempt: Attempt) -> None:
    attempt.log.warning("attempts used up, the task becomes a dead letter")
    await delivery.reject()


async def _postpone(desk: Desk, delivery: Delivery, attempt: Attempt, task_id: str, delay_s: float) -> None:
    """Have the next task confirmed, then forget this one. Each publication has its own id: one unconfirmed may be there too."""
    assert delivery.queue is not None  # only dead letters come from nowhere
    due_s = time.monotonic() + delay_s
    tries = 0
    while True:
        left_s = max(0.0, due_s - time.monotonic())
        try:
            await desk.tasks.publish(delivery.queue, attempt.following(task_id).SerializeToString(), delay_s=left_s)
        except QueueFull:
            await _keep(delivery, attempt, left_s)
            return
        except BrokerUnavailable as error:
            tries, task_id = tries + 1, new_task_id()
            attempt.log.warning("the next task is not confirmed, trying again: %s", error)
            await asyncio.sleep(UNCONFIRMED.delay_s(tries))
        else:
            attempt.log.info("next attempt in %.1f s", left_s)
            await delivery.ack()
            return


async def _keep(delivery: Delivery, attempt: Attempt, delay_s: float) -> None:
    """Use this task for the next attempt: to wait for room in a full queue would keep its last workers from emptying it."""
    attempt.log.warning("the queue is full, this task itself is delivered again in %.1f s", delay_s)
    await asyncio.sleep(delay_s)
    await delivery.release()
