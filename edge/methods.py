"""Refusals of HTTP methods that a path of the REST face does not take. The transcoder would find no such path at all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OPENAPI = Path(__file__).with_name("openapi.json")
"""What the REST face is: made from the contracts by scripts/openapi."""


def refusals() -> Iterator[dict[str, Any]]:
    """Yield Envoy's routes that answer 405 and tell what is allowed, one for each path."""
    for path, verbs in json.loads(OPENAPI.read_text(encoding="utf-8"))["paths"].items():
        yield _refusal(path, sorted(verb.upper() for verb in verbs))


def _refusal(path: str, allowed: list[str]) -> dict[str, Any]:
    pattern = "[^/:]+".join(map(re.escape, re.split(r"\{\w+\}", path)))
    other = {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(allowed)}}, "invert_match": True}
    told = f"this path takes {' and '.join(allowed)}"
    return {
        "match": {"safe_regex": {"regex": pattern}, "headers": [other]},
        "direct_response": {"status": 405, "body": {"inline_string": told}},
        "response_headers_to_add": [{"header": {"key": "allow", "value": ", ".join(allowed)}}],
    }
