"""What a gateway makes of dead letters: a failure of the item if there is one, one line of log otherwise; none comes twice."""

from __future__ import annotations

import asyncio
import logging

import pytest
from google.protobuf.duration_pb2 import Duration

from dispatch.codec import timestamp
from dispatch.journal import new_event_id
from dispatch.ports import Lane, Queue
from dispatch.v1 import event_pb2
from dispatch.v1.event_pb2 import JobSpec, StoredInput
from dispatch.v1.task_pb2 import Task
from myeye import reason
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.job_pb2 import STATE_FAILED, STATE_QUEUED, STATE_SUCCEEDED

QUEUE = Queue("efficientdet-lite0", Lane.NORMAL)
LIMIT_S = 20


async def bury(hand, *bodies):
    """Make dead letters, whatever is in them."""
    for body in bodies:
        await hand.broker.tasks.publish(QUEUE, body)
    async with hand.taking() as deliveries:
        for _ in bodies:
            await (await anext(deliveries)).reject()


class Heard(logging.Handler):
    """The lines that the janitor logs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._news = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self._news.set()

    async def until(self, words: str, number: int = 1) -> list[str]:
        """Wait until so many lines have the words, and give those."""
        async with asyncio.timeout(LIMIT_S):
            while len(found := [line for line in self.lines if words in line]) < number:
                self._news.clear()
                await self._news.wait()
        return found


@pytest.fixture
def heard():
    handler = Heard()
    logging.getLogger("gateway.janitor").addHandler(handler)
    yield handler
    logging.getLogger("gateway.janitor").removeHandler(handler)


async def ended_item(front, job_id):
    """Watch a job until one of its items has ended, and give that."""
    async with asyncio.timeout(LIMIT_S):
        async for update in front.stub.Watch(pb.WatchRequest(job_id=job_id, after_sequence=1)):
            if update.event.HasField("item_finished"):
                return update.event.item_finished.item
    raise AssertionError("the job has ended, and no item before it")


async def still_works(front, hand):
    job = await front.submit()
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries, "cat")
    assert (await front.stub.Wait(pb.WaitRequest(job_id=job.id))).job.state == STATE_SUCCEEDED


async def task_of_a_new_job(front, hand):
    job = await front.submit(2)
    async with hand.taking() as deliveries:
        first, second = await anext(deliveries), await anext(deliveries)
        tasks = sorted((Task.FromString(delivery.body) for delivery in (first, second)), key=lambda task: task.item)
        await first.ack()
        await second.ack()
    return job.id, tasks[0]


async def test_what_is_no_task_is_dropped_with_one_line_that_says_why(front, hand, heard):
    bodies = [b"", b"\xff garbage", Task(id="t").SerializeToString(), Task(id="t", job_id="j", item=-1).SerializeToString()]
    bodies.append(Task(id="t" * 20_000_000, job_id="j").SerializeToString())
    await bury(hand, *bodies)
    lines = await heard.until("is no task and is dropped (rejected)", len(bodies))
    whys = [line.partition("(rejected): ")[2] for line in lines]
    assert whys == [
        *("it has no id", "it is no message of this kind", "it names no job", "there is no item -1"),
        "its id has 20000000 characters, which is no id",
    ]
    await still_works(front, hand)
    assert len(heard.lines) == len(bodies), "none came again"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 7}, "its task cannot be done: it is of version 7, and 0 is the newest one known here"),
        ({"input_blob": "../../etc/passwd"}, "its task cannot be done: its input_blob is not the name of a blob"),
        ({"attempt": -4}, "its task cannot be done: its attempt is -4"),
    ],
)
async def test_a_task_that_no_worker_may_do_fails_its_item_and_says_why(front, hand, changes, message):
    job_id, task = await task_of_a_new_job(front, hand)
    task.MergeFrom(Task(**changes))
    await bury(hand, task.SerializeToString())
    item = await ended_item(front, job_id)
    assert (item.index, item.state, reason(item.error), item.error.message) == (0, STATE_FAILED, "INTERNAL", message)
    await still_works(front, hand)


@pytest.mark.parametrize(
    "changes",
    [{"item": 7}, {"item": 1_000_000}, {"accepted_id": b"forged"}, {"job_id": "a" * 26}, {"job_id": "../../up"}],
)
async def test_a_letter_that_fits_no_item_changes_nothing(front, hand, heard, changes):
    job_id, task = await task_of_a_new_job(front, hand)
    task.MergeFrom(Task(**changes))
    await bury(hand, task.SerializeToString())
    await heard.until("dead letter: job")
    assert (await front.stub.Get(pb.GetRequest(job_id=job_id))).job.state == STATE_QUEUED
    await still_works(front, hand)


async def test_a_letter_that_breaks_its_reader_is_dropped_and_the_next_is_read(front, hand, heard, monkeypatch):
    """A fault of ours, which nobody knows of yet: it must not end one gateway after the other."""
    monkeypatch.setattr("gateway.janitor.check_task", lambda task: 1 // (task.item - 1))
    job = await front.submit(2)
    async with hand.taking() as deliveries:
        for _ in range(2):
            await (await anext(deliveries)).reject()
    await heard.until("breaks its reader and is dropped")
    assert (await ended_item(front, job.id)).index == 0
    await still_works(front, hand)


@pytest.mark.parametrize("accepted", [{"priority": 99}, {"model": "m" * 300}])
async def test_a_forged_acceptance_does_not_stop_the_gateway(front, hand, accepted):
    """What cannot be is left out when it is read, on every gateway alike: see the tests of the journal."""
    spec = JobSpec(inputs=[StoredInput(blob="jobs/x/0/input")], max_attempts=3, **accepted)
    forged = event_pb2.Event(id=new_event_id(), job_id="a" * 26, time=timestamp(1), accepted=event_pb2.Accepted(spec=spec))
    enqueued = event_pb2.Event(id=new_event_id(), job_id="a" * 26, time=timestamp(1), enqueued=event_pb2.Enqueued())
    await hand.broker.log.append(event_pb2.Record(events=[forged, enqueued]).SerializeToString())
    await still_works(front, hand)
    assert len((await front.stub.List(pb.ListRequest())).jobs) == 1


async def test_a_job_that_breaks_whoever_tends_it_is_left_alone(front, hand, heard, monkeypatch):
    async def broken(self, job):
        raise ZeroDivisionError(job.id)

    monkeypatch.setattr("gateway.janitor.Janitor._expire", broken)
    job = await front.submit(start_deadline=Duration(nanos=1))
    assert job.id in (await heard.until("breaks whoever tends it"))[0]
    async with hand.taking() as deliveries:
        await (await anext(deliveries)).ack()
    await still_works(front, hand)
