"""Calls of one kind that last, and how many of them there may be at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

from gateway.errors import Exhausted


@dataclass(frozen=True, slots=True)
class Rule:
    """What a call is refused with: its reason, the methods in words, and the seconds to wait."""

    reason: str
    methods: str
    wait_s: float


WATCHES = Rule("TOO_MANY_WATCHES", "Watch, WatchMany, Wait and Session", 5.0)
UPLOADS = Rule("TOO_MANY_UPLOADS", "Upload and UploadImage", 2.0)


class Places:
    """The calls under way on this gateway, by principal. `most` are there for all principals together; 0 is no limit.

    `on_refused` hears of each that found none.
    """

    def __init__(self, rule: Rule, most: int, on_refused: Callable[[Exhausted], None]) -> None:
        self._rule = rule
        self._most = most
        self._on_refused = on_refused
        self._taken: Counter[str] = Counter()
        self._all = 0

    @property
    def principals(self) -> set[str]:
        return set(self._taken)

    def of(self, principal: str) -> int:
        return self._taken.get(principal, 0)

    def taken(self, principal: str, most: int, elsewhere: int) -> AbstractContextManager[None]:
        """Take a place while the context lasts, of the `most` that the principal has (0: no limit), `elsewhere` being taken.

        Raises:
            Exhausted: there is none.
        """
        return _Place(self, principal, most, elsewhere)

    def take(self, principal: str, most: int, elsewhere: int) -> None:
        """Take a place, to be given back. As `taken`."""
        if most and self.of(principal) + elsewhere >= most:
            raise self._exhausted(f"at most {most} calls of {self._rule.methods} are allowed at once", most, "principal")
        if self._most and self._all >= self._most:
            full = f"this gateway takes at most {self._most} calls of {self._rule.methods} at once"
            raise self._exhausted(full, self._most, "gateway")
        self._taken[principal] += 1
        self._all += 1

    def give_back(self, principal: str) -> None:
        """Have one less taken."""
        self._all -= 1
        self._taken[principal] -= 1
        if not self._taken[principal]:
            del self._taken[principal]

    def _exhausted(self, message: str, limit: int, subject: str) -> Exhausted:
        exhausted = Exhausted(self._rule.reason, message, limit=limit, wait_s=self._rule.wait_s, subject=subject)
        self._on_refused(exhausted)
        return exhausted


@dataclass(frozen=True, slots=True)
class _Place:
    """A place while it is taken: of thousands of watches each has one, and a generator would take four times as much memory."""

    places: Places
    principal: str
    most: int
    elsewhere: int

    def __enter__(self) -> None:
        self.places.take(self.principal, self.most, self.elsewhere)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.places.give_back(self.principal)
