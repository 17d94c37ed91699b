from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from edge.health_events import HealthEvents, log_event

HOST = {"host": {"socket_address": {"address": "10.0.0.3", "port_value": 50051}}, "cluster_name": "gateways"}


@pytest.mark.parametrize(
    ("event", "line", "level"),
    [
        ({"add_healthy_event": {"first_check": True}}, "gateway 10.0.0.3:50051 is healthy", logging.INFO),
        (
            {"eject_unhealthy_event": {"failure_type": "NETWORK"}},
            "gateway 10.0.0.3:50051 is not healthy any more: NETWORK",
            logging.WARNING,
        ),
        (
            {"health_check_failure_event": {"first_check": True}},
            "gateway 10.0.0.3:50051 is not healthy yet: ACTIVE",
            logging.WARNING,
        ),
    ],
)
def test_an_event_is_one_plain_line(caplog: pytest.LogCaptureFixture, event: dict[str, Any], line: str, level: int):
    with caplog.at_level(logging.INFO):
        log_event(json.dumps(HOST | event).encode())
    assert caplog.record_tuples == [("edge", level, line)]


@pytest.mark.parametrize("line", [b"", b"null", b"[]", b"{", b"\xff", b'{"host": 1}', json.dumps(HOST).encode()])
def test_what_is_no_event_that_we_know_is_told_as_it_is(caplog: pytest.LogCaptureFixture, line: bytes):
    log_event(line)
    assert repr(line) in caplog.text


async def test_what_is_written_to_the_pipe_is_told_whoever_opens_it_and_when(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    events = HealthEvents(tmp_path)
    last = asyncio.Event()
    with caplog.at_level(logging.INFO), caplog.filtering(lambda record: "is healthy" in record.msg or not last.set()):
        telling = asyncio.ensure_future(events.tell())
        for event in ("add_healthy_event", "add_healthy_event", "eject_unhealthy_event"):
            with events.path.open("wb") as pipe:
                pipe.write(json.dumps(HOST | {event: {}}).encode() + b"\n")
        await asyncio.wait_for(last.wait(), 30)
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
    assert [record.getMessage().rpartition("is ")[2] for record in caplog.records] == [
        "healthy",
        "healthy",
        "not healthy any more: ACTIVE",
    ]
