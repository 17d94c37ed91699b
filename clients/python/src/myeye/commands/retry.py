from __future__ import annotations

import argparse

from myeye.aio import AsyncClient
from myeye.commands import Commands, add_json
from myeye.commands.watch import watch
from myeye.exits import Exit
from myeye.terminal import Terminal


def add(commands: Commands) -> None:
    parser = commands.add_parser("retry", help="run what did not succeed again, as a new job, and print its id")
    parser.add_argument("job", metavar="JOB")
    parser.add_argument("--watch", action="store_true", help="watch the new job until its end")
    add_json(parser)
    parser.set_defaults(run=run)


async def run(arguments: argparse.Namespace, client: AsyncClient, terminal: Terminal) -> Exit:
    job = await client.retry(arguments.job)
    if arguments.json:
        terminal.answer_json(job)
    else:
        terminal.answer(job.id)
    return await watch(job, client, terminal, json=arguments.json) if arguments.watch else Exit.DONE
