"""A schedule has every kind of fault, and the nemesis does all that is planned."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import cast

import pytest

from tests.torture.faults import COMMON, EMBEDDED, Way, node_ways
from tests.torture.nemesis import Nemesis
from tests.torture.records import Record
from tests.torture.report import lines
from tests.torture.run import Verdict
from tests.torture.schedule import EVERYTHING, Fault, Missed, conflict, schedule
from tests.torture.site import Site

SITES: Mapping[str, Mapping[str, Way]] = {
    "embedded": {**COMMON, **EMBEDDED},
    "rabbitmq": {**COMMON, **node_ways(1)},
    "cluster": {**COMMON, **node_ways(3)},
}


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("seed", range(1, 6))
def test_five_minutes_have_every_kind_of_fault_and_no_kind_comes_again_before_all_came(site: str, seed: int):
    faults = schedule(seed, 300.0, SITES[site])
    assert faults == schedule(seed, 300.0, SITES[site])
    assert faults != schedule(seed + 1, 300.0, SITES[site])
    kinds = [fault.kind for fault in faults]
    count = len(SITES[site])
    assert set(kinds) == set(SITES[site])
    assert all(set(kinds[start : start + count]) == set(SITES[site]) for start in range(0, len(kinds) - count + 1, count))
    assert all(fault.target < SITES[site][fault.kind].targets for fault in faults)


@pytest.mark.parametrize("site", SITES)
def test_what_is_occupied_is_planned_to_be_free_again(site: str):
    ways = SITES[site]
    faults = schedule(3, 900.0, ways)
    by_want: dict[str, list[Fault]] = {}
    for fault in faults:
        by_want.setdefault(ways[fault.kind].occupies(fault.target), []).append(fault)
    for of_one in by_want.values():
        assert all(one.at_s + one.length_s <= other.at_s for one, other in pairwise(of_one))
    assert faults[-1].at_s < 900


def toy_ways(done: list[str]) -> dict[str, Way]:
    """Make kinds that write down what is done: two that want the same, one that wants all, and one whose target is away."""

    def way(kind: str, want: str) -> Way:
        return Way(1, lambda s, t: done.append(f"+{kind}"), lambda s, t: done.append(f"-{kind}"), lambda t: want)

    def away(_: Site, __: int) -> None:
        raise Missed("it is away")

    return {
        "kill": way("kill", "thing"),
        "freeze": way("freeze", "thing"),
        "all": way("all", EVERYTHING),
        "away": Way(1, away, lambda s, t: done.append("-away"), lambda t: "away"),
    }


async def inflict(*faults: Fault) -> tuple[Nemesis, list[str]]:
    done: list[str] = []
    nemesis = Nemesis(cast("Site", None), toy_ways(done), faults)
    async with asyncio.timeout(20):
        await nemesis.run()
    return nemesis, done


async def test_a_fault_whose_target_is_broken_already_waits_and_is_not_left_out():
    nemesis, done = await inflict(
        Fault(0, "kill", 0, 0.2), Fault(0, "freeze", 0, 0), Fault(0, "all", 0, 0), Fault(0, "kill", 0, 0)
    )
    assert done == ["+kill", "-kill", "+freeze", "-freeze", "+all", "-all", "+kill", "-kill"]
    assert Counter(each.fault.kind for each in nemesis.inflicted) == nemesis.planned
    assert not nemesis.missed


async def test_what_could_not_be_done_is_told_and_healed():
    nemesis, done = await inflict(Fault(0, "away", 0, 0), Fault(0, "kill", 0, 0))
    assert sorted(done) == ["+kill", "-away", "-kill"]
    (missed,) = nemesis.missed
    assert "away" in missed
    verdict = Verdict(1, "none", 1.0, Record(), nemesis.inflicted, nemesis.planned, nemesis.missed, [])
    table = {line.split()[0]: line.split()[1:3] for line in lines(verdict)}
    assert (table["away"], table["kill"]) == (["1", "0"], ["1", "1"])
    assert any(line.startswith("MISSED") for line in lines(verdict))


def test_everything_is_in_conflict_with_anything():
    assert conflict("a", "a")
    assert conflict(EVERYTHING, "a")
    assert conflict("a", EVERYTHING)
    assert not conflict("a", "b")
