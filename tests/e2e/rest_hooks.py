"""What schemathesis cannot know of the REST face. It loads this file by SCHEMATHESIS_HOOKS, in a process of its own."""

from __future__ import annotations

import json
from typing import Any

import schemathesis


@schemathesis.deserializer("application/x-ndjson")
def last_line(_context: Any, response: Any) -> Any:
    """Read all lines, and give the last: the schema is that of one."""
    return [json.loads(line) for line in response.content.splitlines()][-1]


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Make labels to watch malformed, for a watch of good ones lasts for ever; and ask for items that a job may have."""
    if case.path == "/v1/jobs:watch":
        for given in (case.query, case.body):
            if isinstance(given, dict) and "labels" in given:
                given["labels"] = _without_key(given["labels"])
    if isinstance(case.path_parameters, dict) and isinstance(item := case.path_parameters.get("item"), int):
        case.path_parameters["item"] = item % 3 - 1


def _without_key(labels: Any) -> Any:
    return [_without_key(label) for label in labels] if isinstance(labels, list) else f"={labels}"
