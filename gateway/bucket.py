"""A token bucket that several gateways share by telling one another what they took."""

from __future__ import annotations


class Bucket:
    """Holds up to `burst` tokens and gains `rate` of them a second. Times are in seconds, of a monotonic clock.

    Every gateway has one like it and takes from it what the others told, too. So together they admit `rate` calls a second, and
    for as long as a word takes from one to the other each may admit a burst of its own. What was too much is owed, at
    most another burst.
    """

    __slots__ = ("_level", "_then_s")

    def __init__(self, burst: float, now_s: float) -> None:
        self._level = burst
        self._then_s = now_s

    def take(self, rate: float, burst: float, now_s: float) -> float:
        """Take a token, and give 0; or take none, and give the seconds until there is one."""
        self._fill(rate, burst, now_s)
        if self._level >= 1.0:
            self._level -= 1.0
            return 0.0
        return (1.0 - self._level) / rate

    def owe(self, tokens: int, rate: float, burst: float, now_s: float) -> None:
        """Take what others have taken, whether it is there or not."""
        self._fill(rate, burst, now_s)
        self._level = max(-burst, self._level - tokens)

    def full(self, rate: float, burst: float, now_s: float) -> bool:
        """Tell whether nothing is missing: one that is not kept could be made again as it is."""
        self._fill(rate, burst, now_s)
        return self._level >= burst

    def _fill(self, rate: float, burst: float, now_s: float) -> None:
        self._level = min(burst, self._level + rate * max(0.0, now_s - self._then_s))
        self._then_s = now_s
