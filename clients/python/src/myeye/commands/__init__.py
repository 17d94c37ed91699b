"""The commands, one a file: `add` declares its arguments, `run` does it and says how it went."""

from __future__ import annotations

import argparse
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_json(parser: argparse.ArgumentParser) -> None:
    """Declare the option that every command with an answer has."""
    parser.add_argument("--json", action="store_true", help="print JSON, one document a line, and nothing else to stdout")
