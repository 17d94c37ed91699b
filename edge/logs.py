"""How this program's few lines are written: as text, or as one JSON object a line, like those of the gateways."""

from __future__ import annotations

import json
import logging
from typing import IO


def configure(log_format: str, stream: IO[str]) -> None:
    """Write all log lines of this process to `stream`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(handler)


class TextFormatter(logging.Formatter):
    """`2026-01-31 12:00:00.123 INFO edge …`"""

    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")


class JsonFormatter(logging.Formatter):
    """One object a line."""

    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        return json.dumps(line, ensure_ascii=False)
