"""What a caller has shown: whose it is, and whether it still holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.identity.principal import ANYBODY, Principal


@dataclass(frozen=True, slots=True)
class Grant:
    """A principal; `check` raises Unauthenticated when what was shown has expired or was withdrawn."""

    principal: Principal
    check: Callable[[], None]


OPEN = Grant(ANYBODY, lambda: None)
"""Where there is no authentication."""
