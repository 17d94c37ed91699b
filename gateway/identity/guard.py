"""Ends the calls that last, once what their callers have shown does not hold any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.errors import Unauthenticated
from gateway.identity.grant import Grant

LOOK_S = 1.0


class Guard:
    """Knows the calls that last, and looks after all of them together: a watch costs no timer of its own."""

    def __init__(self) -> None:
        self._held: dict[asyncio.Timeout, Grant] = {}
        self._refusals: dict[asyncio.Timeout, Unauthenticated] = {}

    @asynccontextmanager
    async def holding(self, grant: Grant) -> AsyncIterator[None]:
        """Do what is inside for as long as the grant holds.

        Raises:
            Unauthenticated: it holds no more; what was inside was cancelled.
        """
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._held[scope] = grant
                try:
                    yield
                finally:
                    del self._held[scope]
        except TimeoutError:
            if refusal := self._refusals.pop(scope, None):
                raise refusal from None
            raise
        finally:
            self._refusals.pop(scope, None)

    async def look_for_ever(self) -> None:
        """End what holds no more, again and again."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """End what holds no more."""
        for scope, grant in list(self._held.items()):
            try:
                grant.check()
            except Unauthenticated as refusal:
                if scope not in self._refusals:
                    self._refusals[scope] = refusal
                    scope.reschedule(0)
