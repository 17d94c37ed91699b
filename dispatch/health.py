"""Whether a process serves: told to whoever connects to a Unix socket, which nobody outside of its machine or container can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from dispatch.errors import ConfigurationError

SERVING = "SERVING"
NOT_SERVING = "NOT_SERVING"


@asynccontextmanager
async def tell_health(path: Path | None, serving: Callable[[], bool]) -> AsyncIterator[None]:
    """Answer at `path` what `serving` says at the time, in one line. Without a path, nobody is told.

    Raises:
        ConfigurationError: nothing can be opened there.
    """
    if path is None:
        yield
        return

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            writer.write(f"{SERVING if serving() else NOT_SERVING}\n".encode())
            writer.close()
            await writer.wait_closed()

    try:
        server = await asyncio.start_unix_server(answer, path)  # one that a killed process left is replaced
    except OSError as error:
        raise ConfigurationError(f"--health: no socket can be opened at {path}: {error}") from error
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - nobody waits for this loop any more
