"""Which jobs are meant."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

from google.protobuf.timestamp_pb2 import Timestamp

from myeye.v1.detection_service_pb2 import ListRequest, RetryFilter
from myeye.v1.job_pb2 import State


class JobFilter(TypedDict, total=False):
    """What `list` and `retry_matching` go by: all that is given must match. Times without a zone are local ones."""

    states: Iterable[State.ValueType]
    """Only these; left out: all for `list`, FAILED and PARTIALLY_SUCCEEDED for `retry_matching`."""
    model: str
    """Only this model."""
    labels: Iterable[str]
    """Only jobs that have all of these, each written "key=value", or "key" for any value."""
    reasons: Iterable[str]
    """Only jobs with a picture that ended without success for one of these, such as "WORKER_LOST"."""
    created_from: datetime | None
    """Only jobs accepted at this time or later."""
    created_until: datetime | None
    """Only jobs accepted before this time."""
    ended_from: datetime | None
    """Only jobs that ended at this time or later."""
    ended_until: datetime | None
    """Only jobs that ended before this time."""


def list_request(wanted: JobFilter) -> ListRequest:
    """Make the request that lists them."""
    return ListRequest(
        states=wanted.get("states", ()),
        model=wanted.get("model", ""),
        labels=wanted.get("labels", ()),
        reasons=wanted.get("reasons", ()),
        create_time_from=_timestamp(wanted.get("created_from")),
        create_time_until=_timestamp(wanted.get("created_until")),
        end_time_from=_timestamp(wanted.get("ended_from")),
        end_time_until=_timestamp(wanted.get("ended_until")),
    )


def retry_filter(wanted: JobFilter) -> RetryFilter:
    """Say which ones to retry."""
    same = list_request(wanted)
    return RetryFilter(**{field.name: value for field, value in same.ListFields()})


def _timestamp(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time.astimezone())
    return message
