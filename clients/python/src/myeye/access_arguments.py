"""How the command line is told who one is. A token is never an argument: those are seen by everybody on the machine."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any


def add_access(parser: argparse.ArgumentParser, environ: Mapping[str, str]) -> None:
    """Declare the options, and take what the environment says where they are not given."""
    group = parser.add_argument_group("who you are, and whom you trust", "a token can also be in MYEYE_TOKEN")

    def file(name: str, variable: str, what: str) -> None:
        group.add_argument(name, metavar="FILE", default=environ.get(variable) or None, help=f"{what} ({variable})")

    file("--token-file", "MYEYE_TOKEN_FILE", "a token")
    file("--ca", "MYEYE_CA", "the authority of the service's certificate")
    file("--certificate", "MYEYE_CERTIFICATE", "your own certificate")
    file("--key", "MYEYE_KEY", "its key")
    group.add_argument(
        "--tls", action="store_true", default=environ.get("MYEYE_TLS") == "1", help="encrypt, trusting the public authorities"
    )
    parser.set_defaults(token=environ.get("MYEYE_TOKEN") or None)


def access(arguments: argparse.Namespace) -> dict[str, Any]:
    """Give what the client is told; a file of a token that is named goes before the environment's token."""
    return {
        "token": None if arguments.token_file else arguments.token,
        "token_file": arguments.token_file,
        "ca": arguments.ca,
        "certificate": arguments.certificate,
        "key": arguments.key,
        "tls": arguments.tls,
    }
