"""The command `myeye`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from collections.abc import Mapping

from myeye.access_arguments import access, add_access
from myeye.aio import DEFAULT_TARGET, AsyncClient
from myeye.arguments import seconds
from myeye.commands import cancel, delete, detect, frames, get, models, retry, submit, watch
from myeye.commands import list as list_
from myeye.errors import MyeyeError
from myeye.exits import MEANINGS, Exit, exit_of_error, explain
from myeye.terminal import Notices, Terminal

COMMANDS = (detect, submit, watch, frames, get, list_, cancel, retry, delete, models)


def main() -> int:
    """Do what the command line says and return its exit code."""
    arguments = make_parser(os.environ).parse_args()
    arguments.check(arguments)
    return execute(arguments, Terminal.open(arguments.target))


def make_parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    """Declare the command line."""
    parser = argparse.ArgumentParser(
        prog="myeye",
        description="Find objects in pictures and videos with a myeye service.",
        epilog=MEANINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    target = environ.get("MYEYE_TARGET", DEFAULT_TARGET)
    parser.add_argument(
        "--target",
        default=target,
        metavar="HOST:PORT",
        help=f"where the service is; now {target}, from MYEYE_TARGET if that is set",
    )
    parser.add_argument(
        "--timeout", type=seconds, default=30.0, metavar="TIME", help="for each call, its repetitions included; default: 30s"
    )
    add_access(parser, environ)
    parser.set_defaults(check=lambda _: None)  # what a command's arguments mean together, it says itself
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser


def execute(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Run a command, and put what goes wrong in words."""
    logger = logging.getLogger("myeye")
    logger.setLevel(logging.INFO)
    logger.addHandler(Notices(terminal))
    try:
        return asyncio.run(_run(arguments, terminal))
    except (asyncio.CancelledError, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except (MyeyeError, OSError) as error:
        terminal.complain(explain(error, arguments.target))
        return exit_of_error(error)


async def _run(arguments: argparse.Namespace, terminal: Terminal) -> Exit:
    _hear_interrupts(asyncio.get_running_loop(), asyncio.current_task())
    try:
        client = AsyncClient(arguments.target, timeout_s=arguments.timeout, **access(arguments))
    except ValueError as error:
        terminal.complain([str(error)])
        return Exit.USAGE
    async with client:
        exit_code: Exit = await arguments.run(arguments, client, terminal)
        return exit_code


def _hear_interrupts(loop: asyncio.AbstractEventLoop, work: asyncio.Task[Exit] | None) -> None:
    """Let Ctrl-C cancel the work; a second one ends it at once.

    asyncio's own handling can miss one: it only wakes a loop whose wait the signal cuts short, and not one that is about to
    wait, or that waits while another thread gets the signal.
    """

    def cancel() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        if work:
            work.cancel()

    loop.add_signal_handler(signal.SIGINT, cancel)
