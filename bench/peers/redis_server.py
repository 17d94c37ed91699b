"""A private Redis on this machine, in memory only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.ports import free_port
from harness.process import Process

START_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Redis:
    """Where it listens, and its process."""

    url: str
    pid: int


@contextmanager
def running_redis(folder: Path) -> Iterator[Redis]:
    """Run one until the context is left."""
    port = free_port()
    flags = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder))
    server = Process("redis", ("redis-server", *flags), log=folder / "redis.log")
    server.start()
    try:
        server.wait_for("Ready to accept connections", START_LIMIT_S)
        yield Redis(f"redis://127.0.0.1:{port}/0", server.pid)
    finally:
        server.kill()
