from __future__ import annotations

import argparse

from myeye import render
from myeye.aio import AsyncClient
from myeye.commands import Commands, add_json
from myeye.commands.sighting import sightings_of
from myeye.exits import Exit
from myeye.frames import Sightings
from myeye.states import is_terminal
from myeye.terminal import Terminal
from myeye.v1.job_pb2 import Job


def add(commands: Commands) -> None:
    parser = commands.add_parser("get", help="print a job as it is now")
    parser.add_argument("job", metavar="JOB")
    add_json(parser)
    parser.set_defaults(run=run)


async def run(arguments: argparse.Namespace, client: AsyncClient, terminal: Terminal) -> Exit:
    job = await client.get(arguments.job)
    if arguments.json:
        terminal.answer_json(job)
    else:
        terminal.answer(*render.job_lines(job), *render.pictures(job, await _seen(job, client)))
    return Exit.DONE


async def _seen(job: Job, client: AsyncClient) -> dict[int, Sightings]:
    """Count what the videos show, unless that would mean to wait for the job's end."""
    return await sightings_of(job, client) if is_terminal(job.state) else {}
