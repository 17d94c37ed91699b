"""Where a task goes, by how much its principal has waiting."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dispatch.ports import Kind
from dispatch.shares import LIMITS, share_of, shares

KINDS = st.sampled_from(Kind)


@given(KINDS, st.integers(min_value=0, max_value=10**6))
def test_every_task_goes_into_a_share_that_workers_take_from(kind: Kind, ahead: int) -> None:
    assert share_of(kind, ahead) in shares(kind)


@given(KINDS, st.integers(min_value=0, max_value=10**6))
def test_who_has_more_waiting_is_never_before_who_has_less(kind: Kind, ahead: int) -> None:
    assert share_of(kind, ahead) <= share_of(kind, ahead + 1)


@given(KINDS)
def test_of_one_principal_no_more_than_the_limit_is_in_a_share_and_those_before_it(kind: Kind) -> None:
    placed = [share_of(kind, ahead) for ahead in range(1000)]
    for share, limit in enumerate(LIMITS[kind]):
        assert sum(each <= share for each in placed) == limit
