"""How often callers call, and how much they do at once, on one gateway and on several."""

from __future__ import annotations

from contextlib import ExitStack, suppress

import pytest

from gateway.errors import Exhausted
from gateway.quota import Quota
from gateway.quotas import Quotas
from gateway.traffic import HEARD_S, Traffic


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Gateways:
    """Two gateways that tell one another what they do, when they are told to."""

    def __init__(self, quota: Quota, **limits: int) -> None:
        self.clock = Clock()
        self.one, self.other = (Traffic(Quotas(quota), clock=self.clock, **limits) for _ in range(2))

    def tell(self) -> None:
        told = {"one": self.one.news(), "other": self.other.news()}
        self.one.hear("other", told["other"])
        self.other.hear("one", told["one"])


def admitted(traffic: Traffic, principal: str, calls: int) -> int:
    """Call so often, and count what was admitted."""
    count = 0
    with suppress(Exhausted):
        for _ in range(calls):
            traffic.admit(principal)
            count += 1
    return count


def test_without_a_rate_every_call_is_admitted() -> None:
    assert admitted(Traffic(Quotas()), "ann", 10_000) == 10_000


def test_a_burst_is_admitted_and_then_the_rate() -> None:
    gateways = Gateways(Quota(rate=10, burst=20))
    assert admitted(gateways.one, "ann", 100) == 20
    gateways.clock.now_s += 0.5
    assert admitted(gateways.one, "ann", 100) == 5
    assert admitted(gateways.one, "bob", 100) == 20, "another's calls are another's"


def test_who_waits_as_long_as_told_is_admitted() -> None:
    gateways = Gateways(Quota(rate=0.3))
    gateways.one.admit("ann")
    with pytest.raises(Exhausted) as refused:
        gateways.one.admit("ann")
    assert refused.value.reason == "RATE_LIMITED"
    gateways.clock.now_s += refused.value.wait_s + 1e-6
    gateways.one.admit("ann")


def test_the_rate_holds_over_gateways_that_tell_one_another() -> None:
    gateways = Gateways(Quota(rate=10, burst=20))
    count = 0
    for _ in range(100):
        count += admitted(gateways.one, "ann", 50) + admitted(gateways.other, "ann", 50)
        gateways.tell()
        gateways.clock.now_s += 1.0
    assert 10 * 99 <= count <= 10 * 99 + 2 * 20 + 2 * 10


def test_a_caller_on_one_gateway_of_two_has_the_whole_rate() -> None:
    gateways = Gateways(Quota(rate=10, burst=10))
    count = 0
    for _ in range(20):
        count += admitted(gateways.one, "ann", 50)
        gateways.tell()
        gateways.clock.now_s += 1.0
    assert count == 200


def test_watches_are_counted_while_they_last() -> None:
    traffic = Traffic(Quotas(Quota(watches=2)))
    with traffic.watching("ann"), ExitStack() as second:
        second.enter_context(traffic.watching("ann"))
        with pytest.raises(Exhausted, match="at most 2") as refused, traffic.watching("ann"):
            pass
        assert (refused.value.reason, refused.value.subject) == ("TOO_MANY_WATCHES", "principal")
        second.close()
        with traffic.watching("ann"), traffic.watching("bob"):
            pass


def test_watches_and_uploads_on_another_gateway_count_until_it_is_silent() -> None:
    gateways = Gateways(Quota(watches=2, uploads=1))
    with gateways.one.watching("ann"), gateways.one.uploading("ann"):
        gateways.tell()
        with gateways.other.watching("ann"):
            with pytest.raises(Exhausted), gateways.other.watching("ann"):
                pass
            with pytest.raises(Exhausted), gateways.other.uploading("ann"):
                pass
        gateways.clock.now_s += HEARD_S
        with gateways.other.uploading("ann"):
            pass
        gateways.tell()
    gateways.tell()
    with gateways.other.uploading("ann"):
        pass


def test_all_callers_together_have_the_limits_of_the_gateway() -> None:
    traffic = Traffic(Quotas(), most_watches=2, most_uploads=1)
    with traffic.watching("ann"), traffic.watching("bob"), traffic.uploading("ann"):
        with pytest.raises(Exhausted, match="this gateway") as refused, traffic.watching("eve"):
            pass
        assert refused.value.subject == "gateway"
        with pytest.raises(Exhausted, match="this gateway"), traffic.uploading("bob"):
            pass
    with traffic.uploading("bob"):
        pass


def test_nothing_is_told_of_who_has_no_limit_and_nothing_is_kept_of_who_is_quiet() -> None:
    unlimited = Traffic(Quotas(), most_watches=9)
    with unlimited.watching("ann"):
        unlimited.admit("ann")
        assert not unlimited.news()
    gateways = Gateways(Quota(rate=10, burst=10))
    gateways.one.admit("ann")
    assert [use.calls for use in gateways.one.news()] == [1]
    assert [use.calls for use in gateways.one.news()] == [0]
    gateways.clock.now_s += HEARD_S
    assert not gateways.one.news()
    assert not gateways.one._buckets
