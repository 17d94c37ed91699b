"""How callers are told apart: the part of the gateway's configuration."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.identity.authenticator import Authenticator
from gateway.identity.token_file import TokenFile


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityOptions:
    """Nothing set: everybody is the same, and may do everything."""

    tokens: Path | None = None

    @property
    def authenticates(self) -> bool:
        """Whether a caller must show who they are."""
        return self.tokens is not None

    def open(self) -> Authenticator:
        """Make what tells callers apart.

        Raises:
            ConfigurationError: a file cannot be read.
        """
        return Authenticator(tokens=TokenFile(self.tokens) if self.tokens else None)


def add_identity_flags(parser: ArgumentParser, fallback: Callable[[str, str], str]) -> None:
    """Declare the flags; `fallback` gives the environment's value of a name, or what is given."""
    group = parser.add_argument_group("who may call", "without any of these, everybody may")
    group.add_argument(
        "--tokens", metavar="FILE", default=fallback("TOKENS", ""), help="callers bring a token; made by python -m gateway.tokens"
    )


def read_identity(given: Namespace) -> IdentityOptions:
    """Read what was given."""
    return IdentityOptions(tokens=Path(given.tokens) if given.tokens else None)
