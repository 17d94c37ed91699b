"""Words about states."""

from __future__ import annotations

from myeye.v1.job_pb2 import State


def is_terminal(state: State.ValueType) -> bool:
    """Say whether a job or an item in this state has ended."""
    return state >= State.STATE_SUCCEEDED


def state_name(state: State.ValueType) -> str:
    """Give the state's name without its prefix, as "PARTIALLY_SUCCEEDED"."""
    return State.Name(state).removeprefix("STATE_")
