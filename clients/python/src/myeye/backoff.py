"""How long to pause between attempts, and when to give up."""

from __future__ import annotations

import asyncio
import logging
import random

from myeye.errors import MyeyeError

FIRST_S = 0.25
LIMIT_S = 5.0

logger = logging.getLogger(__name__)


class Backoff:
    """Pauses with full jitter below a bound that doubles, so that many clients do not come back at once.

    Made inside a running event loop; `timeout_s` seconds later there are no more pauses.
    """

    def __init__(self, timeout_s: float) -> None:
        self._now = asyncio.get_running_loop().time
        self._deadline = self._now() + timeout_s
        self._bound_s = FIRST_S

    @property
    def remaining_s(self) -> float:
        """Seconds until it gives up; may be below zero."""
        return self._deadline - self._now()

    async def pause(self, failure: MyeyeError) -> bool:
        """Wait before the next attempt, at least as long as the service asks for; False, at once, when time would run out."""
        delay_s = (failure.retry_after_s or 0.0) + random.uniform(0.0, self._bound_s)
        if delay_s >= self.remaining_s:
            return False
        logger.info("%s; trying again", failure, extra={"failure": failure})
        self._bound_s = min(2 * self._bound_s, LIMIT_S)
        await asyncio.sleep(delay_s)
        return True
