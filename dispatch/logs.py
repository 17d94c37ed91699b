"""How log lines are written: as text, or as one JSON object a line. Both name the job, item, attempt and trace, if any."""

from __future__ import annotations

import json
import logging
import time
from typing import IO

from dispatch.trace import current, trace_id

FIELDS = ("job", "item", "attempt")


def configure(log_format: str, stream: IO[str]) -> None:
    """Write all log lines of this process to `stream`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # what it says of a connection, dispatch.amqp says in one line


class TextFormatter(logging.Formatter):
    """`2026-01-31 12:00:00.123 INFO worker.run [job=… item=0 attempt=1] started`"""

    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(where)s%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        where = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        record.where = f"[{where}] " if where else ""
        return super().format(record)


class JsonFormatter(logging.Formatter):
    """One object a line; the time is in UTC."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
    if trace := trace_id(current()):
        fields["trace"] = trace
    return fields
