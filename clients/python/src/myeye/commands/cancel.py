from __future__ import annotations

import argparse

from myeye import render
from myeye.aio import AsyncClient
from myeye.commands import Commands, add_json
from myeye.exits import Exit
from myeye.terminal import Terminal


def add(commands: Commands) -> None:
    parser = commands.add_parser("cancel", help="end a job; pictures that are done keep their results")
    parser.add_argument("job", metavar="JOB")
    parser.add_argument("--reason", default="", help="for whoever looks at the job later")
    add_json(parser)
    parser.set_defaults(run=run)


async def run(arguments: argparse.Namespace, client: AsyncClient, terminal: Terminal) -> Exit:
    job = await client.cancel(arguments.job, arguments.reason)
    if arguments.json:
        terminal.answer_json(job)
    else:
        terminal.answer(*render.job_lines(job))
    return Exit.DONE
