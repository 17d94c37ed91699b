"""Many pictures to as few jobs as the limits allow."""

import pytest

from myeye import InvalidRequest
from myeye.batches import split
from myeye.v1.capabilities_pb2 import Limits


@pytest.fixture
def pictures(tmp_path):
    paths = [tmp_path / f"{number}.jpg" for number in range(5)]
    for path in paths:
        path.write_bytes(bytes(10_000))
    return paths


def sizes(pictures, **limits):
    return [len(group) for group in split(pictures, Limits(**limits))]


def test_what_fits_is_one_job(pictures):
    assert list(split(pictures, Limits(max_items_per_job=5))) == [pictures]


def test_the_number_of_items_is_obeyed(pictures):
    assert sizes(pictures, max_items_per_job=2) == [2, 2, 1]


def test_the_size_of_a_message_is_obeyed(pictures):
    assert sizes(pictures, max_items_per_job=5, max_message_bytes=16_384 + 25_000) == [2, 2, 1]


def test_what_is_uploaded_because_it_is_too_large_alone_takes_no_room(pictures):
    assert sizes(pictures, max_items_per_job=5, max_message_bytes=16_384 + 9_000) == [5]


def test_an_upload_that_is_too_large_is_named(pictures):
    assert sizes(pictures, max_items_per_job=5, max_upload_bytes=10_000) == [5]
    with pytest.raises(InvalidRequest, match=r"0\.jpg has 10,000 bytes"):
        sizes(pictures, max_upload_bytes=9_999)


def test_a_service_without_limits_takes_what_the_channel_takes(pictures):
    assert sizes(pictures) == [5]
