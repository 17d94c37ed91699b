from __future__ import annotations

import argparse
from contextlib import aclosing

from myeye import render
from myeye.aio import AsyncClient
from myeye.arguments import STATES, add_filter, job_filter
from myeye.commands import Commands, add_json
from myeye.exits import Exit
from myeye.terminal import Terminal
from myeye.v1.job_pb2 import Job


def add(commands: Commands) -> None:
    parser = commands.add_parser("list", help="list jobs, newest first")
    add_filter(parser, STATES)
    parser.add_argument("--unretried", action="store_true", help="leave out jobs that have been retried")
    parser.add_argument(
        "--failures",
        action="store_true",
        help="also what failed in each, with cause, attempts and last worker; with --reason and --state failed by itself",
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
        terminal.answer(render.failures(found) if _failures(arguments) else render.jobs(found))
    else:
        terminal.say("no jobs")
    return Exit.DONE


def _failures(arguments: argparse.Namespace) -> bool:
    failed = {"failed", "partially_succeeded"}
    return arguments.failures or bool(arguments.reasons) or (bool(arguments.states) and failed.issuperset(arguments.states))


async def _first_jobs(arguments: argparse.Namespace, client: AsyncClient) -> list[Job]:
    listed = client.list(
        page_size=arguments.limit,
        without_retry=arguments.unretried,
        with_failed_items=_failures(arguments),
        **job_filter(arguments),
    )
    found: list[Job] = []
    async with aclosing(listed):
        async for job in listed:
            found.append(job)
            if len(found) == arguments.limit:
                break
    return found
