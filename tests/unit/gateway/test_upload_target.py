"""Every limit of an upload's target, at both sides; no id leads anywhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dispatch.blob_name import check_prefix
from gateway.errors import InvalidRequest
from gateway.limits import Limits
from gateway.upload_target import Target, check_target, read_what, upload_folder

LIMITS = Limits()
TARGET = Target("0123456789abcdef", 1, "", 0)


def violated(target: Target) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        check_target(target, LIMITS)
    return [violation.field for violation in caught.value.violations]


@pytest.mark.parametrize(
    "changes",
    [
        {"upload_id": "-_" * 8},
        {"upload_id": "Z" * 64},
        {"size": LIMITS.max_upload_bytes},
        {"sha256": "0123456789abcdef" * 4},
        {"offset": 1 << 40},
    ],
)
def test_what_is_just_within_a_limit_passes(changes):
    check_target(replace(TARGET, **changes), LIMITS)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"upload_id": ""}, "upload_id"),
        ({"upload_id": "a" * 15}, "upload_id"),
        ({"upload_id": "a" * 65}, "upload_id"),
        ({"upload_id": "../../../../etc/passwd"}, "upload_id"),
        ({"upload_id": "0123456789abcdef/"}, "upload_id"),
        ({"upload_id": "0123456789abcdef\n"}, "upload_id"),
        ({"upload_id": "0123456789abcd~f"}, "upload_id"),
        ({"upload_id": "0123456789.abcdef"}, "upload_id"),
        ({"upload_id": "0123456789abcdéf"}, "upload_id"),
        ({"upload_id": "0123456789abcdef\0"}, "upload_id"),
        ({"size": 0}, "size_bytes"),
        ({"size": -1}, "size_bytes"),
        ({"size": LIMITS.max_upload_bytes + 1}, "size_bytes"),
        ({"sha256": "0" * 63}, "sha256"),
        ({"sha256": "A" * 64}, "sha256"),
        ({"sha256": "unchecked"}, "sha256"),
        ({"offset": -1}, "offset"),
    ],
)
def test_what_is_just_beyond_a_limit_is_named(changes, field):
    assert violated(replace(TARGET, **changes)) == [field]


def test_all_violations_come_at_once():
    assert violated(Target("", 0, "x", -1)) == ["upload_id", "size_bytes", "sha256", "offset"]


def test_every_upload_of_everybody_has_a_folder_of_its_own():
    folders = {upload_folder(principal, f"{number:016}") for principal in ("", "a", "b.0", "../x") for number in range(3)}
    assert len(folders) == 12
    assert all(check_prefix(folder) for folder in folders)
    assert all(folder.count("/") == 2 for folder in folders)


@pytest.mark.parametrize("sha256", ["", "0123456789abcdef" * 4])
def test_what_is_announced_can_be_read_from_its_name(sha256):
    assert read_what(replace(TARGET, size=42, sha256=sha256).what) == (42, sha256)


@pytest.mark.parametrize("segment", ["", "42", "0-unchecked", "-1-unchecked", "42-other", "x42-unchecked"])
def test_other_names_announce_nothing(segment):
    assert read_what(segment) is None
