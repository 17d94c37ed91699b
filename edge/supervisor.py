"""Envoy as a child process: started, drained and ended.

Envoy stops at once on SIGTERM, whatever calls are under way. So the signal comes to this process, which lets Envoy drain first.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import signal
from collections.abc import Sequence

from edge.admin import Admin

log = logging.getLogger(__name__)

LOOK_S = 0.05
PR_SET_PDEATHSIG = 1


class EnvoyEnded(Exception):
    """Envoy ended by itself."""


async def supervise(command: Sequence[str], admin: Admin, stop: asyncio.Event, *, drain_s: float, ready: str) -> None:
    """Run Envoy until `stop`, drain it for at most `drain_s` seconds, and end it. `ready` is said when it serves.

    Raises:
        EnvoyEnded: it ended before it was told to.
    """
    # a session of its own: a signal to our process group must not reach Envoy before it is drained
    envoy = await asyncio.create_subprocess_exec(*command, start_new_session=True, preexec_fn=_die_with_parent)
    ended = asyncio.ensure_future(envoy.wait())
    life = asyncio.ensure_future(_live(admin, stop, drain_s, ready))
    await asyncio.wait({ended, life}, return_when=asyncio.FIRST_COMPLETED)
    if ended.done():
        life.cancel()
        raise EnvoyEnded(f"Envoy ended with status {ended.result()}")
    if ended_by_itself := _lost(life):
        envoy.terminate()
        raise EnvoyEnded(f"Envoy does not answer any more, and ended with status {await ended}") from ended_by_itself
    envoy.terminate()
    await ended


def _lost(life: asyncio.Future[None]) -> BaseException | None:
    error = life.exception()
    if error is not None and not isinstance(error, OSError):
        raise error
    return error


def _die_with_parent() -> None:
    """Have the kernel end this process with the one that started it, even if that was killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


async def _live(admin: Admin, stop: asyncio.Event, drain_s: float, ready: str) -> None:
    while not await admin.serving():
        if await _told_within(stop, LOOK_S):
            return
    log.info("%s", ready)
    await stop.wait()
    try:
        async with asyncio.timeout(drain_s):
            await _drain(admin)
    except TimeoutError:
        log.info("calls under way are cut: they took longer than %g s", drain_s)


async def _told_within(stop: asyncio.Event, limit_s: float) -> bool:
    try:
        async with asyncio.timeout(limit_s):
            return await stop.wait()
    except TimeoutError:
        return False


async def _drain(admin: Admin) -> None:
    await admin.drain()
    log.info("the edge takes no new calls")
    while await admin.calls_under_way():  # noqa: ASYNC110 - Envoy tells only who asks
        await asyncio.sleep(LOOK_S)
