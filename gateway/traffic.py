"""How much principals do at once and how often they call: on this gateway, and, as far as was told, on the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import monotonic

from gateway.bucket import Bucket
from gateway.errors import Exhausted
from gateway.places import UPLOADS, WATCHES, Places
from gateway.quotas import Quotas

HEARD_S = 5.0
"""What another gateway told holds so long; it tells every second."""


@dataclass(frozen=True, slots=True)
class Use:
    """What a principal does on one gateway: watches and uploads under way, and calls since it was told last."""

    principal: str
    watches: int = 0
    uploads: int = 0
    calls: int = 0


@dataclass(frozen=True, slots=True)
class _Heard:
    use: Use
    until_s: float


class Traffic:
    """Admits calls. `most_watches` and `most_uploads` are for all principals of this gateway together; 0 is no limit.

    `on_refused` hears of each call that is not admitted.
    """

    def __init__(
        self,
        quotas: Quotas,
        *,
        most_watches: int = 0,
        most_uploads: int = 0,
        on_refused: Callable[[Exhausted], None] = lambda _: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._quotas = quotas
        self._clock = clock
        self._on_refused = on_refused
        self._watches = Places(WATCHES, most_watches, on_refused)
        self._uploads = Places(UPLOADS, most_uploads, on_refused)
        self._buckets: dict[str, Bucket] = {}
        self._calls: Counter[str] = Counter()
        self._told: set[str] = set()
        self._heard: dict[str, dict[str, _Heard]] = {}

    def admit(self, principal: str) -> None:
        """Count a call.

        Raises:
            Exhausted: the principal has called too often.
        """
        quota = self._quotas.of(principal)
        if not quota.rate:
            return
        wait_s = self._bucket(principal, quota.calls_at_once).take(quota.rate, quota.calls_at_once, self._clock())
        if wait_s:
            why = f"at most {quota.rate:g} calls a second are allowed"
            exhausted = Exhausted("RATE_LIMITED", why, limit=quota.rate, wait_s=wait_s)
            self._on_refused(exhausted)
            raise exhausted
        self._calls[principal] += 1

    def watching(self, principal: str) -> AbstractContextManager[None]:
        """Count a watch while the context lasts; entering it raises Exhausted when there are too many."""
        most = self._quotas.of(principal).watches
        elsewhere = sum(use.watches for use in self._elsewhere(principal)) if most else 0
        return self._watches.taken(principal, most, elsewhere)

    def uploading(self, principal: str) -> AbstractContextManager[None]:
        """Count an upload's call while the context lasts; entering it raises Exhausted when there are too many."""
        most = self._quotas.of(principal).uploads
        elsewhere = sum(use.uploads for use in self._elsewhere(principal)) if most else 0
        return self._uploads.taken(principal, most, elsewhere)

    # -- among gateways

    def news(self) -> Sequence[Use]:
        """Tell what limited principals do, and, once, that they have stopped; to be asked every second."""
        active = self._calls.keys() | self._watches.principals | self._uploads.principals
        limited = {principal for principal in active if self._is_shared(principal)}
        news = [
            Use(principal, self._watches.of(principal), self._uploads.of(principal), self._calls[principal])
            for principal in sorted(limited | self._told)
        ]
        self._told = limited
        self._calls.clear()
        self._forget()
        return news

    def hear(self, gateway: str, uses: Iterable[Use]) -> None:
        """Take in what another gateway told."""
        now_s = self._clock()
        heard = self._heard.setdefault(gateway, {})
        for use in uses:
            quota = self._quotas.of(use.principal)
            if quota.rate and use.calls:
                bucket = self._bucket(use.principal, quota.calls_at_once)
                bucket.owe(use.calls, quota.rate, quota.calls_at_once, now_s)
            heard[use.principal] = _Heard(use, now_s + HEARD_S)

    def _is_shared(self, principal: str) -> bool:
        quota = self._quotas.of(principal)
        return bool(quota.rate or quota.watches or quota.uploads)

    def _elsewhere(self, principal: str) -> Iterable[Use]:
        now_s = self._clock()
        told = (heard.get(principal) for heard in self._heard.values())
        return (each.use for each in told if each is not None and each.until_s > now_s)

    def _bucket(self, principal: str, burst: float) -> Bucket:
        bucket = self._buckets.get(principal)
        if bucket is None:
            bucket = self._buckets[principal] = Bucket(burst, self._clock())
        return bucket

    def _forget(self) -> None:
        """Keep nothing of principals who are quiet and of gateways that are gone."""
        now_s = self._clock()
        for principal, bucket in list(self._buckets.items()):
            quota = self._quotas.of(principal)
            if not quota.rate or bucket.full(quota.rate, quota.calls_at_once, now_s):
                del self._buckets[principal]
        for gateway, heard in list(self._heard.items()):
            self._heard[gateway] = {principal: each for principal, each in heard.items() if each.until_s > now_s}
            if not self._heard[gateway]:
                del self._heard[gateway]
