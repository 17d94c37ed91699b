"""Whether the fields of a message are what they are declared to be: JSON carries anything in any of them."""

from __future__ import annotations

import math
from dataclasses import is_dataclass
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

MAX_INT = 2**63 - 1


def check_fields(message: Any) -> None:
    """Look at every field of a dataclass, and at those of the dataclasses in it; numbers must be finite.

    Raises:
        TypeError: one is of another type.
    """
    for name, kind in _fields(message.__class__):
        if not _is(getattr(message, name), kind):
            raise TypeError(f"{name} of {type(message).__name__} is no {kind}")


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple(get_type_hints(kind).items())


def _is(value: object, kind: Any) -> bool:
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_is(each, get_args(kind)[0]) for each in value)
    if get_origin(kind) is UnionType:
        return any(_is(value, each) for each in get_args(kind))
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= MAX_INT and math.isfinite(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_INT
    if not isinstance(value, kind):
        return False
    if is_dataclass(value):
        check_fields(value)
    return True
