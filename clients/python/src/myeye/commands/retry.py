from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from myeye import render
from myeye.aio import AsyncClient
from myeye.arguments import UNSUCCESSFUL_STATES, add_filter, job_filter
from myeye.commands import Commands, add_json
from myeye.commands.watch import watch
from myeye.exits import Exit, exit_of_retries
from myeye.job_filter import JobFilter
from myeye.terminal import Terminal
from myeye.v1.detection_service_pb2 import RetryOutcome
from myeye.v1.job_pb2 import State

FAILED = (State.STATE_FAILED, State.STATE_PARTIALLY_SUCCEEDED)


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "retry",
        help="run what did not succeed again, as new jobs, and print their ids",
        description="Run what did not succeed again, as new jobs. One JOB is run again however often it was; of several, or of"
        " all that match, those that have been retried are left to their retries.",
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB")
    parser.add_argument("--all", action="store_true", help="all jobs that failed and match, instead of naming them")
    parser.add_argument("--yes", action="store_true", help="with --all: do not ask")
    parser.add_argument("--watch", action="store_true", help="with one JOB: watch the new job until its end")
    add_filter(parser, UNSUCCESSFUL_STATES)
    add_json(parser)
    parser.set_defaults(run=run, check=lambda arguments: _check(parser, arguments))


def _check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    if bool(arguments.jobs) == arguments.all:
        parser.error("name the jobs, or say --all")
    if arguments.jobs and any(job_filter(arguments).values()):
        parser.error("a filter goes with --all")
    if arguments.watch and len(arguments.jobs) != 1:
        parser.error("--watch goes with one JOB")
    if arguments.all and not arguments.yes and not sys.stdin.isatty():
        parser.error("there is nobody to ask here: say --yes")


async def run(arguments: argparse.Namespace, client: AsyncClient, terminal: Terminal) -> Exit:
    if arguments.all:
        return await _retry_all(arguments, client, terminal)
    if len(arguments.jobs) > 1:
        return _tell(await client.retry_many(arguments.jobs), terminal, json=arguments.json)
    job = await client.retry(arguments.jobs[0])
    if arguments.json:
        terminal.answer_json(job)
    else:
        terminal.answer(job.id)
    return await watch(job, client, terminal, json=arguments.json) if arguments.watch else Exit.DONE


async def _retry_all(arguments: argparse.Namespace, client: AsyncClient, terminal: Terminal) -> Exit:
    wanted = job_filter(arguments)
    if not arguments.yes:
        number = await _count(client, wanted)
        if number == 0:
            terminal.say("no such jobs")
            return Exit.DONE
        if not await terminal.ask(f"retry {render.count(number, 'job')}?"):
            terminal.say("nothing was retried")
            return Exit.DONE
    outcomes = await client.retry_matching(**wanted)
    if not outcomes:
        terminal.say("no such jobs")
    return _tell(outcomes, terminal, json=arguments.json)


async def _count(client: AsyncClient, wanted: JobFilter) -> int:
    number = 0
    listing = JobFilter(**{**wanted, "states": [*wanted["states"]] or FAILED})
    async for _ in client.list(without_retry=True, page_size=500, **listing):
        number += 1
    return number


def _tell(outcomes: Sequence[RetryOutcome], terminal: Terminal, *, json: bool) -> Exit:
    for outcome in outcomes:
        if json:
            terminal.answer_json(outcome)
        elif outcome.new_job_id:
            terminal.answer(render.outcome_of_retry(outcome))
        else:
            terminal.say(str(render.outcome_of_retry(outcome)), "red")
    return exit_of_retries(outcomes)
