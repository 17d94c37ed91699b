"""A broker without a server: a SQLite database in a folder, for the processes of one machine."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from sqlite3 import Connection

from dispatch.embedded.bell import Bell
from dispatch.embedded.database import open_database, open_reader
from dispatch.embedded.lock import FileLock
from dispatch.embedded.log import EmbeddedLog
from dispatch.embedded.reader import Reader
from dispatch.embedded.signals import EmbeddedSignals
from dispatch.embedded.tasks import EmbeddedTasks
from dispatch.embedded.upkeep import Upkeep
from dispatch.embedded.writer import Writer
from dispatch.errors import ConfigurationError
from dispatch.folders import make_folder
from dispatch.options import BrokerOptions

DATABASE = "broker.db"


class EmbeddedBroker:
    """Implements `dispatch.ports.Broker`. The folder is the installation: `BrokerOptions.name` has no part in it."""

    def __init__(self, folder: Path, lock: FileLock, writer: Writer, reader: Reader, options: BrokerOptions) -> None:
        self._closed = False
        self._lock = lock
        self._writer = writer
        self._reader = reader
        self._task_bell = Bell(folder, "tasks")
        self._log_bell = Bell(folder, "log")
        self.tasks = EmbeddedTasks(writer, reader, self._task_bell, options)
        self.log = EmbeddedLog(writer, reader, self._log_bell)
        self.signals = EmbeddedSignals(folder)
        upkeep = Upkeep(writer, self.tasks, options, task_bell=self._task_bell, log_bell=self._log_bell)
        self._upkeep = asyncio.create_task(upkeep.run())

    @classmethod
    async def open(cls, folder: str, options: BrokerOptions) -> EmbeddedBroker:
        """Open the broker in `folder`, and make it if there is none.

        Raises:
            ConfigurationError: the folder or the database in it cannot be used.
        """
        try:
            path, lock, connection = await asyncio.to_thread(_open, folder)
            writer = Writer(connection, lock, confirm_timeout_s=options.confirm_timeout_s)
            return cls(path, lock, writer, Reader(open_reader(path / DATABASE)), options)
        except OSError as error:
            raise ConfigurationError(f"{folder} cannot be used by the embedded broker: {error}") from error

    @property
    def available(self) -> bool:
        return self._writer.confirming and not self._upkeep.done()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self.tasks.close()
        self._upkeep.cancel()
        with suppress(asyncio.CancelledError):
            await self._upkeep
        await self._writer.close()
        await self._reader.close()
        for channel in (self._task_bell, self._log_bell, self.signals):
            channel.close()
        self._lock.close()


def _open(folder: str) -> tuple[Path, FileLock, Connection]:
    path = Path(folder).resolve()
    make_folder(path)
    lock = FileLock(path / "broker.lock")
    return path, lock, open_database(path / DATABASE, lock)
