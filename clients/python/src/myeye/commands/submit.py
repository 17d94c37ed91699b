from __future__ import annotations

import argparse

from myeye.aio import AsyncClient
from myeye.arguments import add_pictures
from myeye.commands import Commands, add_json
from myeye.commands.submitting import submit_all
from myeye.exits import Exit
from myeye.progress import live
from myeye.terminal import Terminal


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "submit", usage="%(prog)s [options] PICTURE [PICTURE …]", help="hand in pictures and print the job's id at once"
    )
    add_pictures(parser)
    add_json(parser)
    parser.set_defaults(run=run)


async def run(arguments: argparse.Namespace, client: AsyncClient, terminal: Terminal) -> Exit:
    """Print the id of each job; there are several when the pictures do not fit one."""
    with live(terminal.err) as progress:
        async for job in submit_all(arguments, client, progress):
            if arguments.json:
                terminal.answer_json(job)
            else:
                terminal.answer(job.id)
    return Exit.DONE
