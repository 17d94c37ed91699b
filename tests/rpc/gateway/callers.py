"""Callers with tokens, for the tests of who may do what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.identity.principal import Principal
from gateway.identity.token_file import TokenEntry, hash_of, new_token

Metadata = tuple[tuple[str, str], ...]


def bearing(token: str) -> Metadata:
    """Give the metadata of a caller who brings a token."""
    return (("authorization", f"Bearer {token}"),)


@dataclass
class Tokens:
    """A file of tokens that changes as a test goes on."""

    path: Path
    lines: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, *, admin: bool = False, token: str | None = None) -> str:
        token = token or new_token()
        self.lines[token] = TokenEntry(Principal(name, admin=admin), hash_of(token), None).line()
        self.write(self.lines.values())
        return token

    def withdraw(self, token: str) -> None:
        del self.lines[token]
        self.write(self.lines.values())

    def write(self, lines: Iterable[str]) -> None:
        """Replace the file as a whole, as one should."""
        new = self.path.with_suffix(".new")
        new.write_text("\n".join(lines) + "\n")
        new.rename(self.path)
