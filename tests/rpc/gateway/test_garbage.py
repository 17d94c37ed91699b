"""A gateway among processes that write whatever they like: on the log, as signals, into the dead letters. It goes on serving."""

from __future__ import annotations

import asyncio

from google.protobuf.duration_pb2 import Duration
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatch.journal import new_event_id
from dispatch.ports import Lane, Queue
from dispatch.v1.event_pb2 import Event, JobSpec, Record
from dispatch.v1.signal_pb2 import Signal
from dispatch.v1.task_pb2 import Task
from gateway.ids import job_id
from myeye.v1 import detection_service_pb2 as pb
from tests.fuzz.messages import messages

MODEL = "efficientdet-lite0"
IDS = [job_id("", "Submit", name) for name in "abc"]
FEW = settings(
    max_examples=settings.default.max_examples // 4,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def given_ids(name: str):
    """Let messages speak of jobs that there may be."""
    return st.sampled_from(IDS) if name.endswith(".job_id") else None


async def serves(front, hand) -> None:
    """See that a job goes the whole way, and that all that is listed can be told."""
    job = await front.submit()
    async with hand.taking() as deliveries, asyncio.timeout(30):
        while True:
            delivery = await anext(deliveries)
            if Task.FromString(delivery.body).job_id == job.id:
                break
            await delivery.ack()
        await hand.succeed(*await hand.start(delivery))
        await delivery.ack()
    assert (await front.events(job.id))[-1].HasField("job_finished")
    for listed in (await front.stub.List(pb.ListRequest())).jobs:
        assert (await front.stub.Get(pb.GetRequest(job_id=listed.id))).job.id == listed.id
        call = front.stub.Watch(pb.WatchRequest(job_id=listed.id, after_sequence=0))
        sequences = []
        async for message in call:
            if message.HasField("event"):
                sequences.append(message.event.sequence)
            if len(sequences) == listed.last_sequence:
                break
        call.cancel()
        assert sequences == list(range(1, listed.last_sequence + 1))


async def dead(front, hand, *bodies: bytes) -> None:
    """Make dead letters."""
    for body in bodies:
        await hand.broker.tasks.publish(Queue(MODEL, Lane.LOW), body)
    async with hand.taking(Lane.LOW) as deliveries:
        for _ in bodies:
            await (await anext(deliveries)).reject()


async def test_a_dead_letter_of_an_item_before_the_first_does_no_harm(front, hand):
    job = await front.submit()
    await dead(front, hand, Task(id="t", job_id=job.id, item=-5).SerializeToString())
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries)
    assert len(await front.events(job.id)) == 4
    await serves(front, hand)


@FEW
@given(st.lists(messages(Task, given=given_ids).map(Task.SerializeToString) | st.binary(max_size=50), min_size=1, max_size=8))
async def test_any_dead_letters_are_read_and_dropped(front, hand, bodies):
    await dead(front, hand, *bodies)
    await serves(front, hand)


@FEW
@given(st.lists(messages(Signal, given=given_ids).map(Signal.SerializeToString) | st.binary(max_size=50), max_size=8))
async def test_any_signals_are_heard_or_dropped(front, hand, bodies):
    job = await front.submit()
    async with hand.taking() as deliveries:
        delivery = await anext(deliveries)
        _, run = await hand.start(delivery)
        for body in bodies:
            await hand.broker.signals.publish(body)
        for stage in (1, 2**31 - 1, -1):
            told = Signal()
            told.run_progress.job_id, told.run_progress.run_id, told.run_progress.stage = job.id, run, stage
            await hand.broker.signals.publish(told.SerializeToString())
        await delivery.ack()
    await front.stub.Cancel(pb.CancelRequest(job_id=job.id))
    await serves(front, hand)


@st.composite
def logs(draw: st.DrawFn) -> list[bytes]:
    """Records of events of a few jobs, some of which begin as jobs do."""
    records = []
    for name in IDS:
        spec = draw(messages(JobSpec))
        spec.model, spec.principal, spec.max_attempts = MODEL, "", draw(st.integers(1, 3))
        del spec.inputs[:]
        spec.inputs.add(blob="jobs/x/0/input")
        spec.priority = draw(st.integers(0, 3))
        spec.ttl.CopyFrom(draw(st.builds(Duration, seconds=st.integers(0, 10**11))))
        spec.ClearField("start_deadline")
        begin = Event(id=new_event_id(), job_id=name)
        begin.accepted.spec.CopyFrom(spec)
        enqueued = Event(id=new_event_id(), job_id=name)
        enqueued.enqueued.SetInParent()
        rest = draw(st.lists(messages(Event, given=given_ids), max_size=6))
        records.append(Record(events=[begin, enqueued, *rest]).SerializeToString())
    return records


@FEW
@given(logs())
async def test_whatever_is_in_the_log_is_told_or_left_out(start, hand, records):
    for record in records:
        await hand.broker.log.append(record)
    async with start() as front:
        await serves(front, hand)
