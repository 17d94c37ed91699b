"""Delays grow, stay under their cap, and are not the same for all."""

from __future__ import annotations

import pytest

from dispatch.backoff import Backoff
from dispatch.errors import ConfigurationError


def test_delays_double_up_to_the_cap() -> None:
    backoff = Backoff(base_s=1.0, cap_s=5.0, jitter=0.0)
    assert [backoff.delay_s(tries) for tries in (1, 2, 3, 4, 1000)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_jitter_spreads_a_delay_around_its_value() -> None:
    delays = {Backoff(base_s=10.0, jitter=0.2).delay_s(1) for _ in range(200)}
    assert len(delays) > 1
    assert 8.0 <= min(delays) < 10.0 < max(delays) <= 12.0


def test_a_cap_below_the_first_delay_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        Backoff(base_s=2.0, cap_s=1.0)
