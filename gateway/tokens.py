"""python -m gateway.tokens: make a token, and the line by which a gateway knows it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from gateway.identity.principal import Principal
from gateway.identity.token_file import NAME, TokenEntry, hash_of, new_token


def main(arguments: Sequence[str]) -> int:
    """Print a new token, once; the line with its hash goes into the file, or to stderr. Give 0, or 2 if that cannot be done."""
    given = _parser().parse_args(arguments)
    token = new_token()
    line = TokenEntry(Principal(given.name, admin=given.admin), hash_of(token), given.expires).line()
    if given.file is None:
        sys.stderr.write(f"put this line into the gateways' file of tokens:\n{line}\n")
    else:
        try:
            append(given.file, line)
        except OSError as error:
            sys.stderr.write(f"gateway.tokens: {error}\n")
            return 2
    sys.stdout.write(f"{token}\n")
    return 0


def append(path: Path, line: str) -> None:
    """Add a line to a file that only its owner may write, whatever its last line ends with.

    Raises:
        OSError: it cannot be written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        before = file.read()
        file.write(b"" if before.endswith(b"\n") or not before else b"\n")
        file.write(f"{line}\n".encode())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gateway.tokens",
        description="Makes a token and prints it, this once. Only its hash is kept. To withdraw a token, remove its line.",
    )
    parser.add_argument("name", type=_name, help="whose jobs are made with it")
    parser.add_argument("--admin", action="store_true", help="it sees the jobs of all, and may act on them")
    parser.add_argument("--file", type=Path, metavar="FILE", help="the gateways' file of tokens, to add it to")
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("--expires", type=date.fromisoformat, metavar="YYYY-MM-DD", help="it is good until this day begins, in UTC")
    ends.add_argument("--days", dest="expires", type=_in_days, metavar="N", help="it is good for so many days")
    return parser


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError('a name has at most 128 letters, digits and "._@-", and begins with a letter or digit')
    return text


def _in_days(text: str) -> date:
    days = int(text)
    if not 1 <= days <= 36500:
        raise argparse.ArgumentTypeError("at least one day, and at most a hundred years")
    return (datetime.now(UTC) + timedelta(days=days)).date() + timedelta(days=1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
