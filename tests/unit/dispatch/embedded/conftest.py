"""Embedded brokers, each in a folder of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from dispatch.embedded.broker import EmbeddedBroker
from dispatch.options import BrokerOptions

Open = Callable[..., Awaitable[EmbeddedBroker]]


@pytest.fixture
async def open_broker(tmp_path: Path) -> AsyncIterator[Open]:
    """Open a broker on the test's folder (or a folder of that name in it) with these options; it is closed at the end."""
    async with AsyncExitStack() as stack:

        async def open_one(folder: str = "broker", **options: float) -> EmbeddedBroker:
            broker = await EmbeddedBroker.open(str(tmp_path / folder), BrokerOptions(**options))  # type: ignore[arg-type]
            stack.push_async_callback(broker.close)
            return broker

        yield open_one
