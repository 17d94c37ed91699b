"""What no gateway could tell of is left out of the log when it is read, and the rest of its record is not."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from dispatch.codec import MAX_DURATION_S, MAX_TIMESTAMP_S, decode_record
from dispatch.v1.event_pb2 import Accepted, Event, Failed, JobSpec, Marker, Record, StoredInput


def kept(event: Event) -> bool:
    """Say whether an event is read; what stands beside it always is."""
    beside = Event(id=b"beside", marker=Marker())
    read = decode_record(Record(events=[event, beside]).SerializeToString())
    assert read[-1].id == b"beside"
    return len(read) == 2


def accepted(**fields: Duration) -> Event:
    spec = JobSpec(inputs=[StoredInput(blob="jobs/a/0/input")], model="m", max_attempts=1, **fields)
    return Event(job_id="a", accepted=Accepted(spec=spec))


@pytest.mark.parametrize(
    ("seconds", "nanos", "told"),
    [
        (0, 0, True),
        (0, -1, False),
        (MAX_TIMESTAMP_S - 1, 999_999_999, True),
        (MAX_TIMESTAMP_S, 0, False),
        (-(2**63), 0, False),
    ],
)
def test_a_time_is_one_that_can_be_told(seconds: int, nanos: int, told: bool) -> None:
    time = Timestamp(seconds=seconds, nanos=nanos)
    assert kept(Event(time=time, marker=Marker())) is told
    assert kept(Event(failed=Failed(next_attempt_time=time))) is told


@pytest.mark.parametrize("field", ["ttl", "start_deadline"])
def test_a_length_of_time_is_neither_negative_nor_endless(field: str) -> None:
    assert kept(accepted(**{field: Duration(seconds=MAX_DURATION_S)}))
    assert not kept(accepted(**{field: Duration(seconds=MAX_DURATION_S + 1)}))
    assert not kept(accepted(**{field: Duration(nanos=-1)}))
