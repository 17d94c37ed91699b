from __future__ import annotations

import argparse
from contextlib import aclosing

from myeye import render
from myeye.aio import AsyncClient
from myeye.arguments import STATES
from myeye.commands import Commands, add_json
from myeye.exits import Exit
from myeye.terminal import Terminal
from myeye.v1.job_pb2 import Job


def add(commands: Commands) -> None:
    parser = commands.add_parser("list", help="list jobs, newest first")
    parser.add_argument("--state", dest="states", action="append", choices=STATES, default=[], help="may be given again")
    parser.add_argument("--model", default="")
    parser.add_argument(
        "--label", dest="labels", action="append", default=[], metavar="K[=V]", help="jobs with this label; all given must match"
    )
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many; default: 50")
    add_json(parser)
    parser.set_defaults(run=run)


async def run(arguments: argparse.Namespace, client: AsyncClient, terminal: Terminal) -> Exit:
    found = await _first_jobs(arguments, client)
    if arguments.json:
        for job in found:
            terminal.answer_json(job)
    elif found:
        terminal.answer(render.jobs(found))
    else:
        terminal.say("no jobs")
    return Exit.DONE


async def _first_jobs(arguments: argparse.Namespace, client: AsyncClient) -> list[Job]:
    states = [STATES[name] for name in arguments.states]
    listed = client.list(states=states, model=arguments.model, labels=arguments.labels, page_size=arguments.limit)
    found: list[Job] = []
    async with aclosing(listed):
        async for job in listed:
            found.append(job)
            if len(found) == arguments.limit:
                break
    return found
