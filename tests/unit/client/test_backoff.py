"""When a client gives up."""

import grpc

from myeye import Unavailable
from myeye.backoff import Backoff


def busy(**details):
    return Unavailable("busy", code=grpc.StatusCode.UNAVAILABLE, **details)


async def test_it_pauses_while_there_is_time():
    assert await Backoff(10.0).pause(busy())


async def test_it_does_not_pause_beyond_its_time():
    assert not await Backoff(0.0).pause(busy())
