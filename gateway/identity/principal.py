"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whom jobs and uploads belong to, by name. An admin sees the jobs of all, and may act on them.

    The empty name is of everybody, where there is no authentication.
    """

    name: str
    admin: bool = False

    def may_see(self, owner: str) -> bool:
        """Tell whether the jobs of the principal `owner` are to be found at all."""
        return self.admin or owner == self.name


ANYBODY = Principal("")
