"""A process that works with strangers' pictures or videos, as its parent sees it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from dispatch.errors import ConfigurationError
from worker.sandbox import environment, tether
from worker.wire import LENGTHS, Ready, Unusable, Wire

log = logging.getLogger(__name__)

MAX_FRAME_BYTES = 512 * 1024 * 1024
"""More than any annotated picture has. A process that was taken over must not fill the memory of this one."""
LINES_KEPT = 20
EXIT_S = 2.0
"""How long a process that was asked to end may take."""

Message = TypeVar("Message")


class Orders(Protocol):
    """What a process is told when it is started."""

    @property
    def max_pixels(self) -> int: ...

    @property
    def files(self) -> Sequence[int]:
        """Descriptors that it is given, the socket left out."""

    def arguments(self) -> list[str]: ...

    def with_socket(self, socket_fd: int) -> Self:
        """Give the same, for a process with this end of the socket."""


@dataclass(frozen=True, slots=True)
class Launch(Generic[Message]):
    """How to start a process, and how to talk with it. Its command is given the orders as arguments, with a socket of its own."""

    orders: Orders
    command: Sequence[str]
    wire: Wire[Message]
    what: str
    """What it is called in the log."""
    start_s: float = 60.0
    """How long it may take until it is ready."""


class Process(Generic[Message]):
    """A running process. What it prints is logged, and the last of it kept."""

    def __init__(
        self,
        launch: Launch[Message],
        child: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._what = launch.what
        self._wire = launch.wire
        self._child = child
        self._reader = reader
        self._writer = writer
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, launch: Launch[Message]) -> Self:
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
        self._writer.write(self._wire.encode(message))

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what it says, until it is gone."""
        while (message := await self.receive()) is not None:
            yield message

    async def receive(self) -> Message | None:
        """Wait for what it says next; None when it is gone."""
        try:
            head, body = LENGTHS.unpack(await self._reader.readexactly(LENGTHS.size))
            if head + body > MAX_FRAME_BYTES:
                raise ValueError(f"a frame of {head + body} bytes")
            return self._wire.decode(await self._reader.readexactly(head), await self._reader.readexactly(body))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        except ValueError:
            log.exception("%s process %d does not keep to the protocol and is killed", self._what, self.pid)
            self.kill()
            return None

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
            log.warning("%s process %d does not end by itself and is killed", self._what, self.pid)
        finally:
            self.kill()
            await self._child.wait()
            await self._listening

    @classmethod
    async def _spawn(cls, launch: Launch[Message]) -> Self:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        with theirs:
            orders = launch.orders.with_socket(theirs.fileno())
            try:
                child = await asyncio.create_subprocess_exec(
                    *launch.command,
                    *orders.arguments(),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                    env=environment(os.environ, max_pixels=orders.max_pixels),
                    pass_fds=(theirs.fileno(), *orders.files),
                    preexec_fn=tether(),
                    start_new_session=True,  # a signal to the worker's group must not end it in the midst of a drain
                )
            except OSError as error:
                writer.close()
                raise ConfigurationError(f"a {launch.what} process cannot be started: {error}") from error
        return cls(launch, child, reader, writer)

    async def _expect_ready(self, limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                message = await self.receive()
        except TimeoutError as error:
            raise ConfigurationError(f"a {self._what} was not ready within {limit_s:g} s") from error
        match message:
            case Ready():
                log.info("%s process %d is ready", self._what, self.pid)
            case Unusable():
                raise ConfigurationError(message.message)
            case _:
                await self.close()
                raise ConfigurationError(f"a {self._what} {self.fate} while it started; it last said:\n{self.last_words}")

    async def _listen(self) -> None:
        """Log what it prints. In chunks: a line of a crash may be of any length."""
        assert self._child.stdout is not None
        while chunk := await self._child.stdout.read(65536):
            for line in chunk.decode(errors="replace").splitlines():
                self._lines.append(line)
                log.debug("%s process %d: %s", self._what, self.pid, line)
