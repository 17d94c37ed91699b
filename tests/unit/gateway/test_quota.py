"""Quotas as they are written down, and the file with those of some."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from dispatch.errors import ConfigurationError
from gateway.quota import NO_LIMIT, Quota, read_quota
from gateway.quotas import Quotas


def test_nothing_said_is_no_limit() -> None:
    assert read_quota("") == NO_LIMIT == Quota()


def test_what_is_named_is_limited_and_the_rest_is_not() -> None:
    assert read_quota("jobs=10, rate=2.5,bytes=1000000") == Quota(jobs=10, rate=2.5, bytes=1_000_000)


def test_a_burst_is_of_two_seconds_unless_it_is_named() -> None:
    assert read_quota("rate=20").calls_at_once == 40
    assert read_quota("rate=0.1").calls_at_once == 1
    assert read_quota("rate=20,burst=5").calls_at_once == 5


@pytest.mark.parametrize(
    "text",
    ["jobs", "jobs=", "jobs=many", "jobs=1.5", "pictures=3", "jobs=-1", "rate=nan", "rate=inf", "rate=-1", "bytes=1e3"],
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="quota"):
        read_quota(text)


def test_who_is_in_the_file_has_what_is_written_there_and_otherwise_what_everybody_has(tmp_path: Path) -> None:
    file = tmp_path / "quotas.toml"
    file.write_text('[ann]\njobs = 5\n\n["bob@example.org"]\nrate = 0.5\nitems = 0\n')
    quotas = Quotas(Quota(jobs=1, items=7), file)
    assert quotas.of("ann") == Quota(jobs=5, items=7)
    assert quotas.of("bob@example.org") == Quota(jobs=1, rate=0.5)
    assert quotas.of("somebody else") == Quota(jobs=1, items=7)


@pytest.mark.parametrize("text", ["jobs = 5", "[ann]\njobs = true", "[ann]\njobs = '5'", "[ann]\nwork = 5", "["])
def test_a_file_that_cannot_be_read_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "quotas.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"quotas\.toml"):
        Quotas(NO_LIMIT, file)
    with pytest.raises(ConfigurationError, match="nowhere"):
        Quotas(NO_LIMIT, tmp_path / "nowhere")


def test_a_changed_file_is_read_again_and_a_broken_one_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "quotas.toml"
    file.write_text("[ann]\njobs = 5\n")
    quotas = Quotas(NO_LIMIT, file)
    (tmp_path / "next").write_text("[ann]\njobs = 66\n")
    (tmp_path / "next").replace(file)
    quotas.refresh()
    assert quotas.of("ann").jobs == 66
    for broken in (lambda: file.write_text("[ann]\njobs = 'many'\n"), file.unlink):
        broken()
        with caplog.at_level(logging.ERROR):
            quotas.refresh()
            quotas.refresh()
        assert quotas.of("ann").jobs == 66
    assert len(caplog.records) == 2
    file.write_text("")
    quotas.refresh()
    assert quotas.of("ann") == NO_LIMIT
