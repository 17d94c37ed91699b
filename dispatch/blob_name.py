"""Names of blobs: "jobs/<job id>/<item>/<what>"."""

from __future__ import annotations

import re

_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


def check_name(name: str) -> str:
    """Return `name`, which becomes a path below the store's root and must not lead anywhere else.

    Raises:
        ValueError: a segment is empty, begins with a dot, or has something other than letters, digits, "_", "." and "-".
    """
    if not all(map(_SEGMENT.fullmatch, name.split("/"))):
        raise ValueError(f"not the name of a blob: {name!r}")
    return name


def check_prefix(prefix: str) -> str:
    """Return `prefix`, a name with "/" after it.

    Raises:
        ValueError: it is not one.
    """
    if not prefix.endswith("/"):
        raise ValueError(f"not a prefix of blobs: {prefix!r}")
    check_name(prefix[:-1])
    return prefix
