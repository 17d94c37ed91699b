"""By which names the edge may be called. A page of another site can have its own name lead here (DNS rebinding), and would
then be taken for ours; what it cannot change is that name, which its browser sends along.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

ALWAYS = (r"localhost", r"[a-z0-9.-]+\.localhost", r"[0-9]{1,3}(\.[0-9]{1,3}){3}", r"\[[0-9a-f:.]+\]", r"myeye")
"""Names that nobody can have lead elsewhere, addresses, and what Envoy calls itself where HTTP/1.0 names none."""


def other_hosts(hosts: Iterable[str]) -> dict[str, Any]:
    """Give Envoy's route that refuses all but these names and addresses, whatever their port."""
    names = "|".join((*ALWAYS, *(re.escape(host.lower()) for host in hosts)))
    known = {"safe_regex": {"regex": rf"(?i)({names})(:[0-9]{{1,5}})?"}}
    header = {"name": ":authority", "string_match": known, "invert_match": True}
    return {
        "match": {"prefix": "/", "headers": [header]},
        "direct_response": {"status": 421, "body": {"inline_string": "this service is not called that; see --hosts"}},
    }
