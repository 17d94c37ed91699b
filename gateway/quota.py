"""What one principal may have at once, and how often it may call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

from dispatch.errors import ConfigurationError

MAX_VALUE = 10**15
BURST_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """The limits of one principal; 0 is no limit. Checked on construction.

    Raises:
        ConfigurationError: a value is negative, or larger than anybody means.
    """

    jobs: int = 0
    """Jobs that have not ended."""
    items: int = 0
    """Items that have not ended."""
    bytes: int = 0
    """Stored: the inputs of all jobs until they are removed, and uploads until they expire, as large as announced."""
    rate: float = 0.0
    """Calls in a second, in the long run; each call of a Session is one."""
    burst: int = 0
    """Calls at once, if there were none before; 0 is what `rate` allows in BURST_S seconds."""
    watches: int = 0
    """Calls of Watch, WatchMany, Wait and Session at once."""
    uploads: int = 0
    """Calls of Upload and UploadImage at once."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0 <= getattr(self, field.name) <= MAX_VALUE:
                raise ConfigurationError(f"the quota {field.name} is from 0 to {MAX_VALUE}, not {getattr(self, field.name)}")

    @property
    def calls_at_once(self) -> float:
        """Give the size of the burst, whether it was named or not."""
        return self.burst or max(1.0, BURST_S * self.rate)

    def changed(self, values: Mapping[str, object]) -> Self:
        """Give one with some values replaced.

        Raises:
            ConfigurationError: there is no such quota, or it is no number, or not one that can be.
        """
        kept: dict[str, object] = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in values.items():
            if name not in kept:
                raise ConfigurationError(f"there is no quota {name!r}; there are: {', '.join(kept)}")
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole and not (name == "rate" and isinstance(value, float)):
                raise ConfigurationError(f"the quota {name} is a {'number' if name == 'rate' else 'whole number'}, not {value!r}")
            kept[name] = value
        return type(self)(**kept)  # type: ignore[arg-type]


NO_LIMIT = Quota()


def read_quota(text: str) -> Quota:
    """Read "jobs=100,items=5000,rate=20"; nothing is no limit.

    Raises:
        ConfigurationError: it cannot be read.
    """
    values: dict[str, object] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (word.strip() for word in part.partition("="))
        try:
            values[name] = float(value) if name == "rate" else int(value)
        except ValueError as error:
            raise ConfigurationError(f"a quota is NAME=NUMBER, not {part!r}") from error
    return NO_LIMIT.changed(values)
