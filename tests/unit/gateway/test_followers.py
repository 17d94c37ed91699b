"""Followers: who is told of which changes, and that nothing is left of those who went."""

from __future__ import annotations

from gateway.followers import Followers
from gateway.identity.principal import Principal


def test_a_follower_has_the_changes_of_its_jobs_and_no_others():
    followers = Followers()
    with followers.following() as follower:
        follower.follow("a")
        for job_id in ("b", "a", "a"):
            followers.changed(job_id)
        followers.arrived("me", "c")
        assert follower.take() == ["a"]
        assert follower.take() == []


def test_changes_keep_their_order_and_are_told_once():
    followers = Followers()
    with followers.following(arrivals_for=Principal("me")) as follower:
        follower.follow("a")
        followers.arrived("me", "b")
        followers.changed("a")
        followers.arrived("me", "b")
        followers.arrived("you", "c")
        assert follower.take() == ["b", "a"]


def test_what_one_has_left_is_told_no_more_even_if_it_had_changed():
    followers = Followers()
    with followers.following() as follower:
        follower.follow("a")
        followers.changed("a")
        follower.leave("a")
        followers.changed("a")
        assert follower.take() == []


def test_nothing_is_left_of_a_follower_that_went():
    followers = Followers()
    with followers.following() as stays:
        stays.follow("a")
        with followers.following(arrivals_for=Principal("me")) as goes:
            goes.follow("a")
            goes.follow("b")
        assert followers.by_job == {"a": {stays}}
        followers.changed("a")
        followers.arrived("me", "c")
        assert goes.take() == []
    assert followers.by_job == {}


async def test_a_waiting_follower_is_woken_by_a_change_and_without_one():
    followers = Followers()
    with followers.following() as follower:
        follower.follow("a")
        followers.changed("a")
        await follower.wait(20)
        assert follower.take() == ["a"]
        followers.wake_all()
        await follower.wait(20)
        assert follower.take() == []
        await follower.wait(0)
