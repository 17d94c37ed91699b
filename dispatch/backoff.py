"""How long to wait before trying again."""

from __future__ import annotations

import random
from dataclasses import dataclass

from dispatch.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Delays that double up to a cap, each off by a random part so that what failed together does not return together."""

    base_s: float = 1.0
    cap_s: float = 30.0
    factor: float = 2.0
    jitter: float = 0.2
    """0.2 means up to a fifth more or less."""

    def __post_init__(self) -> None:
        if not 0 < self.base_s <= self.cap_s or self.factor < 1 or not 0 <= self.jitter < 1:
            raise ConfigurationError(
                f"the delay of a retry is positive and not above its cap, not {self.base_s:g} and {self.cap_s:g}"
            )

    def delay_s(self, tries: int) -> float:
        """Give the delay, in seconds, after so many failed tries, from 1."""
        exponent = min(tries - 1, 64)  # far beyond any cap, and far below what a float can hold
        return min(self.base_s * self.factor**exponent, self.cap_s) * random.uniform(1 - self.jitter, 1 + self.jitter)
