from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable
from pathlib import Path

from myeye import render
from myeye.aio import AsyncClient
from myeye.arguments import add_pictures
from myeye.commands import Commands, add_json
from myeye.commands.annotated import output_paths, write, write_annotated
from myeye.commands.following import follow
from myeye.commands.sighting import sightings_of
from myeye.commands.submitting import submit_all
from myeye.exits import Exit, exit_of_jobs
from myeye.progress import live
from myeye.terminal import Terminal
from myeye.v1.job_pb2 import Job


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "detect",
        usage="%(prog)s [options] PICTURE [PICTURE …]",
        help="hand in pictures and videos, watch, and print what is found in them",
    )
    add_pictures(parser)
    parser.add_argument(
        "--no-annotated",
        action="store_true",
        help="do not write NAME.detected.jpg with the boxes drawn, nor, with --annotate, NAME.detected.webm",
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="write these there; default: beside each picture")
    add_json(parser)
    parser.set_defaults(run=run)


async def run(arguments: argparse.Namespace, client: AsyncClient, terminal: Terminal) -> Exit:
    """Print a table for each picture and write it with the boxes drawn."""
    ended = await _detect(arguments, client, terminal)
    for job in ended:
        if arguments.json:
            terminal.answer_json(job)
        else:
            terminal.answer(*render.pictures(job, await sightings_of(job, client)))
    exit_code = exit_of_jobs(ended)
    if not arguments.no_annotated:
        written = await _annotate(ended, client, arguments, terminal)
        exit_code = exit_code if written else Exit.FAILED
    return exit_code


async def _detect(arguments: argparse.Namespace, client: AsyncClient, terminal: Terminal) -> list[Job]:
    """Submit everything, then watch it side by side."""
    try:
        with live(terminal.err) as progress:
            async with asyncio.TaskGroup() as group:
                jobs = submit_all(arguments, client, progress)
                following = [group.create_task(follow(job, client, terminal, progress.show)) async for job in jobs]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in following]


async def _annotate(ended: Iterable[Job], client: AsyncClient, arguments: argparse.Namespace, terminal: Terminal) -> bool:
    """Write what succeeded with the boxes drawn, and say whether all could be written."""
    complete = True
    paths = output_paths(arguments.pictures, arguments.output)
    items = ((job, item) for job in ended for item in job.items)
    for (job, item), picture, path in zip(items, arguments.pictures, paths, strict=True):
        try:
            if item.HasField("result"):
                looked_at = picture if isinstance(picture, Path) else await client.download(job.id, item.index, annotated=False)
                await asyncio.to_thread(write_annotated, looked_at, item.result, path)
            elif item.video.annotated:
                path = path.with_suffix(".webm")
                await asyncio.to_thread(write, path, await client.download(job.id, item.index))
            else:
                continue
        except (ImportError, OSError, ValueError) as error:
            terminal.complain([f"no annotated picture of {picture}: {error}"])
            complete = False
        else:
            terminal.say(f"wrote {path}")
    return complete
