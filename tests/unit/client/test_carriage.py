"""What rides in a request, and what is uploaded before it."""

import pytest

from myeye.carriage import INPUT_BYTES, OPTIONS_BYTES, UPLOAD_FROM_BYTES, carried, is_uploaded, room_of
from myeye.channel import MAX_MESSAGE_BYTES
from myeye.v1.capabilities_pb2 import Limits

ROOM = 20 * 1024 * 1024


def test_small_pictures_ride_until_the_request_is_full_and_small_ones_still_do_after_a_large_one():
    seven = 7 * 1024 * 1024
    assert list(carried([seven, seven, seven, 1_000], ROOM)) == [True, True, False, True]


@pytest.mark.parametrize(("size", "uploaded"), [(UPLOAD_FROM_BYTES - 1, False), (UPLOAD_FROM_BYTES, True)])
def test_what_is_large_is_uploaded_even_if_it_would_fit(size, uploaded):
    assert is_uploaded(size, ROOM) == uploaded


@pytest.mark.parametrize(("size", "uploaded"), [(10_000 - INPUT_BYTES, False), (10_001 - INPUT_BYTES, True)])
def test_what_does_not_fit_alone_is_uploaded(size, uploaded):
    assert is_uploaded(size, 10_000) == uploaded
    assert list(carried([size], 10_000)) == [not uploaded]


def test_there_is_no_more_room_than_the_channel_takes():
    assert room_of(Limits()) == room_of(Limits(max_message_bytes=1 << 40)) == MAX_MESSAGE_BYTES - OPTIONS_BYTES
    assert room_of(Limits(max_message_bytes=1_000_000)) == 1_000_000 - OPTIONS_BYTES
