"""A child process whose output can be waited for."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic


class NotSaid(Exception):
    """The process ended, or its time was up, before it said what was waited for."""


class Process:
    """A command that runs from `start` to `stop` or `kill`, and may be started again. Its output goes to `log`, as a file."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._child: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._said: list[str] = []
        self._news = threading.Condition()

    @property
    def pid(self) -> int:
        assert self._child is not None, f"{self.name} was not started"
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        self._said = []
        self._child = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # a Ctrl-C in the terminal is for the one who started us, who then stops us in order
        )
        self._reader = threading.Thread(target=self._read, args=(self._child,), daemon=True)
        self._reader.start()

    def _read(self, child: subprocess.Popen[str]) -> None:
        assert child.stdout is not None
        with self.log.open("a") as log, child.stdout:
            for line in child.stdout:
                log.write(line)
                log.flush()
                with self._news:
                    self._said.append(line)
                    self._news.notify_all()
        with self._news:
            self._said.append("")
            self._news.notify_all()

    def wait_for(self, pattern: str, limit_s: float) -> str:
        """Return the first line since the start that matches.

        Raises:
            NotSaid: with the last lines of its output.
        """
        end = monotonic() + limit_s
        seen = 0
        with self._news:
            while True:
                for line in self._said[seen:]:
                    if re.search(pattern, line):
                        return line
                seen = len(self._said)
                ended = bool(self._said) and self._said[-1] == ""
                if ended or not self._news.wait(end - monotonic()):
                    why = "ended" if ended else f"was not heard in {limit_s:g} s"
                    raise NotSaid(f"{self.name} {why} before {pattern!r}:\n{''.join(self._said[-20:])}")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, with no chance to clean up."""
        self.send(signal.SIGKILL)
        self.wait(10)

    def stop(self, limit_s: float = 40.0) -> int:
        """Ask it to stop, wait, and give its exit status."""
        if self.running:
            self.send(signal.SIGTERM)
        return self.wait(limit_s)

    def wait(self, limit_s: float) -> int:
        """Wait for its end; one that does not end in time is killed, and that is an error.

        Raises:
            NotSaid: it had to be killed.
        """
        assert self._child is not None
        try:
            status = self._child.wait(limit_s)
        except subprocess.TimeoutExpired as error:
            self._child.kill()
            self._child.wait()
            raise NotSaid(f"{self.name} did not end in {limit_s:g} s:\n{''.join(self._said[-20:])}") from error
        assert self._reader is not None
        self._reader.join(10)
        return status
