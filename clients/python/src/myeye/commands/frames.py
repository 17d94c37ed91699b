from __future__ import annotations

import argparse

from myeye import render
from myeye.aio import AsyncClient
from myeye.commands import Commands, add_json
from myeye.exits import Exit
from myeye.terminal import Terminal


def add(commands: Commands) -> None:
    parser = commands.add_parser("frames", help="print what is found in the frames of a video, as they are looked at")
    parser.add_argument("job", metavar="JOB")
    parser.add_argument("--item", type=int, default=0, metavar="N", help="which item of the job, from 0; default: 0")
    add_json(parser)
    parser.set_defaults(run=run)


async def run(arguments: argparse.Namespace, client: AsyncClient, terminal: Terminal) -> Exit:
    """Print a line for each frame. They begin again with number 0 when a new attempt does."""
    async for frame in client.frames(arguments.job, arguments.item):
        if arguments.json:
            terminal.answer_json(frame)
        else:
            terminal.answer(render.frame(frame))
    return Exit.DONE
