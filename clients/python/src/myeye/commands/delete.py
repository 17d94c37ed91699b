from __future__ import annotations

import argparse

from myeye.aio import AsyncClient
from myeye.commands import Commands
from myeye.exits import Exit
from myeye.terminal import Terminal


def add(commands: Commands) -> None:
    parser = commands.add_parser("delete", help="remove a finished job and its pictures")
    parser.add_argument("job", metavar="JOB")
    parser.set_defaults(run=run)


async def run(arguments: argparse.Namespace, client: AsyncClient, terminal: Terminal) -> Exit:
    await client.delete(arguments.job)
    terminal.say(f"job {arguments.job} is removed")
    return Exit.DONE
