"""A log line names the job, the item and the attempt, whatever its format."""

from __future__ import annotations

import json
import logging

from dispatch.logs import JsonFormatter, TextFormatter
from dispatch.trace import enter


def record(message: str, **fields: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "worker.run", "levelname": "INFO", "msg": message, **fields})


def test_a_text_line_names_the_attempt() -> None:
    line = TextFormatter().format(record("started", job="j1", item=0, attempt=2))
    assert line.endswith("INFO worker.run [job=j1 item=0 attempt=2] started")


def test_a_text_line_of_no_job_names_none() -> None:
    assert TextFormatter().format(record("ready")).endswith("INFO worker.run ready")


def test_a_json_line_is_one_object_with_the_attempt_as_fields() -> None:
    line = json.loads(JsonFormatter().format(record("two\nlines", job="j1", item=0, attempt=2)))
    assert line.items() >= {"level": "INFO", "message": "two\nlines", "job": "j1", "item": 0, "attempt": 2}.items()
    assert line["time"].endswith("Z")


def test_a_json_line_carries_the_traceback() -> None:
    try:
        raise ValueError("broken")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    formatted = JsonFormatter().format(record("failed", exc_info=info))
    assert "\n" not in formatted
    assert "ValueError: broken" in json.loads(formatted)["exception"]


def test_a_line_names_the_trace_that_it_was_written_in() -> None:
    enter("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    try:
        assert json.loads(JsonFormatter().format(record("started")))["trace"] == "0af7651916cd43dd8448eb211c80319c"
        assert "[job=j1 trace=0af7651916cd43dd8448eb211c80319c]" in TextFormatter().format(record("started", job="j1"))
    finally:
        enter("")
