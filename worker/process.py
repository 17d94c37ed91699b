"""A detector process as its parent sees it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from dispatch.errors import ConfigurationError
from worker.orders import Orders
from worker.sandbox import environment
from worker.wire import LENGTHS, Message, Ready, Unusable, decode, encode

log = logging.getLogger(__name__)

MAX_FRAME_BYTES = 512 * 1024 * 1024
"""More than any annotated picture has. A process that was taken over must not fill the memory of this one."""
LINES_KEPT = 20
EXIT_S = 2.0
"""How long a process that was asked to end may take."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a detector process. Its command is given the orders as arguments, with a socket of its own."""

    orders: Orders
    command: Sequence[str] = (sys.executable, "-m", "worker.child")
    start_s: float = 60.0
    """How long it may take until it is ready."""


class Process:
    """A running detector process. What it prints is logged, and the last of it kept."""

    def __init__(self, child: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._child = child
        self._reader = reader
        self._writer = writer
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, launch: Launch) -> Process:
        """Start one, and wait until it is ready.

        Raises:
            ConfigurationError: it cannot work here; the message says why.
        """
        process = await cls._spawn(launch)
        try:
            await process._expect_ready(launch.start_s)
        except BaseException:
            process.kill()
            await process.close()
            raise
        return process

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def fate(self) -> str:
        """Say how it ended."""
        match self._child.returncode:
            case None:
                return "is running"
            case code if code < 0:
                return f"was ended by {signal.Signals(-code).name}"
            case code:
                return f"ended with status {code}"

    @property
    def last_words(self) -> str:
        """Give the last lines that it printed."""
        return "\n".join(self._lines)

    def send(self, message: Message) -> None:
        self._writer.write(encode(message))

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what it says, until it is gone."""
        while (message := await self._receive()) is not None:
            yield message

    def kill(self) -> None:
        """End it at once."""
        if self._child.returncode is None:
            self._child.kill()

    async def close(self) -> None:
        """Ask it to end, make it when it does not, and wait until it has."""
        self._writer.close()
        try:
            async with asyncio.timeout(EXIT_S):
                await self._child.wait()
        except TimeoutError:
            log.warning("detector process %d does not end by itself and is killed", self.pid)
        finally:
            self.kill()
            await self._child.wait()
            await self._listening

    @classmethod
    async def _spawn(cls, launch: Launch) -> Process:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        with theirs:
            orders = replace(launch.orders, socket_fd=theirs.fileno())
            try:
                child = await asyncio.create_subprocess_exec(
                    *launch.command,
                    *orders.arguments(),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                    env=environment(os.environ, max_pixels=orders.max_pixels),
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,  # a signal to the worker's group must not end it in the midst of a drain
                )
            except OSError as error:
                writer.close()
                raise ConfigurationError(f"a detector process cannot be started: {error}") from error
        return cls(child, reader, writer)

    async def _expect_ready(self, limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                message = await self._receive()
        except TimeoutError as error:
            raise ConfigurationError(f"a detector was not ready within {limit_s:g} s") from error
        match message:
            case Ready():
                log.info("detector process %d is ready", self.pid)
            case Unusable():
                raise ConfigurationError(message.message)
            case _:
                await self.close()
                raise ConfigurationError(f"a detector {self.fate} while it started; it last said:\n{self.last_words}")

    async def _receive(self) -> Message | None:
        try:
            head, body = LENGTHS.unpack(await self._reader.readexactly(LENGTHS.size))
            if head + body > MAX_FRAME_BYTES:
                raise ValueError(f"a frame of {head + body} bytes")
            return decode(await self._reader.readexactly(head), await self._reader.readexactly(body))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        except ValueError:
            log.exception("detector process %d does not keep to the protocol and is killed", self.pid)
            self.kill()
            return None

    async def _listen(self) -> None:
        """Log what it prints. In chunks: a line of a crash may be of any length."""
        assert self._child.stdout is not None
        while chunk := await self._child.stdout.read(65536):
            for line in chunk.decode(errors="replace").splitlines():
                self._lines.append(line)
                log.debug("detector process %d: %s", self.pid, line)
