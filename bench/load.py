"""The loops that load a service, and the process that they run in."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from multiprocessing import get_context
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from bench.services import Connection, Service
from bench.usage import Reading, Roles, Usage

P = ParamSpec("P")
T = TypeVar("T")

GAP_S = 0.003
"""Between the jobs of a lone client, so that each meets an idle system."""


class ClientProcess:
    """Runs one load after the other, apart from the process that reads what the services print."""

    def __init__(self) -> None:
        self._pid = 0
        self._executor = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def __enter__(self) -> Self:
        self._pid = self._executor.submit(os.getpid).result()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:  # it may wait for what will not come any more
            os.kill(self._pid, signal.SIGKILL)
        self._executor.shutdown(cancel_futures=True)

    def run(self, load: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        return self._executor.submit(_run, load, args, kwargs).result()


def _run(load: Callable[..., Coroutine[Any, Any, T]], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    return asyncio.run(load(*args, **kwargs))


@dataclass(frozen=True, slots=True)
class Lap:
    """A job of a lone client, in seconds: until accepted, until its end was known, and of that since the worker was done."""

    submit_s: float
    whole_s: float
    known_s: float


@dataclass(frozen=True, slots=True)
class Pace:
    """What many clients got done together."""

    jobs: int
    usage: Usage

    @property
    def rate(self) -> float:
        return self.jobs / self.usage.wall_s

    @property
    def cpu_ms(self) -> float:
        return self.usage.cpu_ms(self.jobs)


async def submit_alone(service: Service, pictures: Sequence[bytes], count: int) -> list[float]:
    """Submit one after the other, and give the seconds that each took."""
    async with service.connect() as connection:
        await connection.submit(pictures[0])
        return [await _submit(connection, picture) for picture in islice(cycle(pictures), count)]


async def _submit(connection: Connection, picture: bytes) -> float:
    await asyncio.sleep(GAP_S)
    begun_s = time.perf_counter()
    await connection.submit(picture)
    return time.perf_counter() - begun_s


async def work_alone(service: Service, pictures: Sequence[bytes], count: int) -> list[Lap]:
    """Have one job done after the other."""
    async with service.connect() as connection:
        await _lap(connection, pictures[0])
        return [await _lap(connection, picture) for picture in islice(cycle(pictures), count)]


async def _lap(connection: Connection, picture: bytes) -> Lap:
    await asyncio.sleep(GAP_S)
    begun_s = time.perf_counter()
    job = await connection.submit(picture)
    submitted_s = time.perf_counter()
    done_ns = await connection.done(job)
    known_ns, known_s = time.time_ns(), time.perf_counter()
    return Lap(submitted_s - begun_s, known_s - begun_s, (known_ns - done_ns) / 1e9)


async def submit_together(service: Service, roles: Roles, pictures: Sequence[bytes], count: int, clients: int) -> Pace:
    """Submit `count` pictures, each of the clients one at a time; nobody waits for the ends."""

    async def client(connection: Connection, todo: Iterator[bytes]) -> None:
        for picture in todo:
            await connection.submit(picture)

    return await _together(client, service, roles, pictures, count, clients)


async def work_together(service: Service, roles: Roles, pictures: Sequence[bytes], count: int, clients: int) -> Pace:
    """Have `count` jobs done, each of the clients one at a time: submit, watch to the end, and again; before, one of each."""

    async def client(connection: Connection, todo: Iterator[bytes]) -> None:
        await connection.work(todo)

    return await _together(client, service, roles, pictures, count, clients)


async def _together(
    client: Callable[[Connection, Iterator[bytes]], Coroutine[Any, Any, None]],
    service: Service,
    roles: Roles,
    pictures: Sequence[bytes],
    count: int,
    clients: int,
) -> Pace:
    async with service.connect() as connection:
        for jobs in (clients, count):  # the first time, everybody warms up
            start = Reading.take(roles)
            todo = islice(cycle(pictures), jobs)
            await asyncio.gather(*(client(connection, todo) for _ in range(clients)))
            usage = Reading.take(roles).since(start)
    return Pace(count, usage)
