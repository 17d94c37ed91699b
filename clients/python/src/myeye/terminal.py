"""Where the command line speaks: answers to stdout, all else to stderr."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self, TextIO

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from rich.console import Console, RenderableType

from myeye.exits import explain

PIPE_WIDTH = 160
"""Columns where there is no terminal to ask."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """`out` takes what was asked for, `err` what happens meanwhile."""

    out: Console
    err: Console
    target: str

    @classmethod
    def open(cls, target: str) -> Self:
        return cls(_console(sys.stdout), _console(sys.stderr), target)

    def answer(self, *parts: RenderableType) -> None:
        """Print what was asked for."""
        for part in parts:
            self.out.print(part)

    def answer_json(self, message: Message) -> None:
        """Print a message as one line of JSON, its fields named as in the contract, those with default values too."""
        line = MessageToJson(message, indent=None, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        self.out.out(line, highlight=False)

    def say(self, text: str, style: str = "") -> None:
        """Print what is going on."""
        self.err.print(text, style=style, soft_wrap=True)

    async def ask(self, question: str) -> bool:
        """Ask whoever sits at the terminal; only a yes is one. Ctrl-C works meanwhile."""
        self.err.print(f"{question} [y/N] ", end="")
        loop = asyncio.get_running_loop()
        answered = asyncio.Event()
        loop.add_reader(sys.stdin, answered.set)
        try:
            await answered.wait()
        finally:
            loop.remove_reader(sys.stdin)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def complain(self, lines: Iterable[str]) -> None:
        """Print what went wrong."""
        for line in lines:
            self.err.print(f"myeye: {line}", style="red", soft_wrap=True)

    def say_going_on(self, job_id: str) -> None:
        """Tell what becomes of a job that is no longer watched."""
        self.say(f"job {job_id} goes on\n  see it:  myeye watch {job_id}\n  end it:  myeye cancel {job_id}")


class Notices(logging.Handler):
    """Says, once, why something is being tried again."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal
        self._last = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = "; ".join(explain(record.failure, self._terminal.target))  # type: ignore[attr-defined]
        if text != self._last:
            self._terminal.say(f"{text}; trying again", "dim")
        self._last = text


def _console(file: TextIO) -> Console:
    width = None if file.isatty() else PIPE_WIDTH
    return Console(file=file, width=width, markup=False, highlight=False, emoji=False)
