"""The client of a service behind HTTP that has to be asked whether a job has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.services import Connection

FIRST_S = 0.02
GROWTH = 1.5
LONGEST_S = 0.25
"""A polite client asks after 20 ms, and then less and less often."""


@dataclass(frozen=True, slots=True)
class Polled:
    """`POST /jobs` takes a picture and gives an id; `GET /jobs/ID` gives `done_ns`, null before the end."""

    url: str

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        async with aiohttp.ClientSession(self.url, connector=aiohttp.TCPConnector(limit=0), raise_for_status=True) as session:
            yield _Polling(session)


class _Polling(Connection):
    def __init__(self, session: Any) -> None:
        self._session = session

    async def submit(self, picture: bytes) -> str:
        async with self._session.post("/jobs", data=picture) as response:
            return str((await response.json())["id"])

    async def done(self, job: str) -> int:
        pause_s = FIRST_S
        while True:
            await asyncio.sleep(pause_s)
            async with self._session.get(f"/jobs/{job}") as response:
                done_ns = (await response.json())["done_ns"]
            if done_ns is not None:
                return int(done_ns)
            pause_s = min(LONGEST_S, pause_s * GROWTH)
