"""Clients of Dramatiq: threads, for its calls block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bench.peers.dramatiq_actor import declare
from bench.plan import CLIENTS
from bench.services import Connection

LIMIT_MS = 60_000


@dataclass(frozen=True, slots=True)
class Dramatiq:
    """The broker and the store of results, as every client has to know them."""

    amqp: str
    redis: str
    queue: str

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        actor = declare(self.amqp, self.redis, self.queue)
        with ThreadPoolExecutor(CLIENTS) as threads:
            yield _Threads(actor, threads)
        actor.broker.close()


class _Threads(Connection):
    def __init__(self, actor: Any, threads: ThreadPoolExecutor) -> None:
        self._actor = actor
        self._results = actor.broker.get_results_backend()
        self._threads = threads
        self._sent: dict[str, Any] = {}

    async def submit(self, picture: bytes) -> str:
        message = await asyncio.get_running_loop().run_in_executor(self._threads, self._actor.send, picture)
        self._sent[message.message_id] = message
        return str(message.message_id)

    async def done(self, job: str) -> int:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._result, self._sent.pop(job))

    async def work(self, pictures: Iterator[bytes]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, self._work, pictures)

    def _work(self, pictures: Iterator[bytes]) -> None:
        for picture in pictures:
            self._result(self._actor.send(picture))

    def _result(self, message: Any) -> int:
        return int(message.get_result(backend=self._results, block=True, timeout=LIMIT_MS))
