from __future__ import annotations

import argparse

from myeye import render
from myeye.aio import AsyncClient
from myeye.commands import Commands, add_json
from myeye.exits import Exit
from myeye.terminal import Terminal


def add(commands: Commands) -> None:
    parser = commands.add_parser("models", help="list the models, their workers and categories")
    add_json(parser)
    parser.set_defaults(run=run)


async def run(arguments: argparse.Namespace, client: AsyncClient, terminal: Terminal) -> Exit:
    listed = (await client.capabilities()).models
    if arguments.json:
        for model in listed:
            terminal.answer_json(model)
    else:
        terminal.answer(render.models(listed))
    return Exit.DONE
