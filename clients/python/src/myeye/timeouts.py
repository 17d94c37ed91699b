"""An end to waiting for a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")


async def within(values: AsyncGenerator[T, None], timeout: float | None) -> AsyncGenerator[T, None]:
    """Yield the values, and leave them when `timeout` seconds have passed since the first was asked for; None is for ever.

    Raises:
        TimeoutError: they have.
    """
    deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
    async with aclosing(values):
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    value = await anext(values)
            except StopAsyncIteration:
                return
            yield value
