"""Job identifiers."""

from __future__ import annotations

from gateway.ids import is_job_id, job_id


def test_the_same_caller_and_request_id_give_the_same_id():
    assert job_id("me", "Submit", "r") == job_id("me", "Submit", "r")


def test_another_caller_method_or_request_id_gives_another():
    ids = {
        job_id(*parts) for parts in [("me", "Submit", "r"), ("you", "Submit", "r"), ("me", "Retry", "r"), ("me", "Submit", "q")]
    }
    assert len(ids) == 4


def test_parts_cannot_run_into_each_other():
    assert job_id("a", "b", "cd") != job_id("a", "bc", "d")


def test_ids_without_request_id_are_random():
    assert job_id("me", "Submit", "") != job_id("me", "Submit", "")


def test_only_what_could_be_an_id_is_taken_for_one():
    assert is_job_id(job_id("", "Submit", ""))
    assert not is_job_id("")
    assert not is_job_id("../../etc/passwd")
    assert not is_job_id(job_id("", "Submit", "").upper())
    assert not is_job_id(job_id("", "Submit", "") + "\n")
