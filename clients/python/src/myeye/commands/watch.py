from __future__ import annotations

import argparse

from myeye import render
from myeye.aio import AsyncClient
from myeye.commands import Commands, add_json
from myeye.commands.following import follow
from myeye.commands.sighting import sightings_of
from myeye.exits import Exit, exit_of_jobs
from myeye.progress import Lines
from myeye.terminal import Terminal
from myeye.v1.detection_service_pb2 import WatchResponse
from myeye.v1.job_pb2 import Job


def add(commands: Commands) -> None:
    parser = commands.add_parser("watch", help="print what happens to a job, until its end")
    parser.add_argument("job", metavar="JOB")
    parser.add_argument("--after", type=int, metavar="N", help="all events after number N; 0: the whole history")
    add_json(parser)
    parser.set_defaults(run=run)


async def run(arguments: argparse.Namespace, client: AsyncClient, terminal: Terminal) -> Exit:
    job = await client.get(arguments.job)
    return await watch(job, client, terminal, json=arguments.json, after=arguments.after)


async def watch(job: Job, client: AsyncClient, terminal: Terminal, *, json: bool, after: int | None = None) -> Exit:
    """Print a line for every update, and at the end what was found."""

    def show_json(_job: Job, update: WatchResponse) -> None:
        terminal.answer_json(update)

    show = show_json if json else Lines(terminal.out).show
    ended = await follow(job, client, terminal, show, after=after)
    if not json:
        terminal.answer(*render.pictures(ended, await sightings_of(ended, client)))
    return exit_of_jobs([ended])
