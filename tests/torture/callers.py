"""Who calls: principals with tokens, each with a quota that a stall uses up, and an admin who looks at all of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gateway.identity.principal import Principal
from gateway.identity.token_file import TokenEntry, hash_of, new_token

Metadata = tuple[tuple[str, str], ...]

QUOTAS = """\
[ann]
jobs = 30
bytes = 1000000000
[ben]
items = 40
[cid]
"""
"""Ann and ben are refused now and then; cid is not, and fills the queue. Bytes are counted, and never too many."""
USERS = ("ann", "ann", "ben", "cid")
"""Whose the clients are, in turn."""
LOOKER = "looker"


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal, and what it shows."""

    name: str
    admin: bool = False
    token: str = field(default_factory=new_token)

    @property
    def metadata(self) -> Metadata:
        return (("authorization", f"Bearer {self.token}"),)


class Callers:
    """All of them, and the files by which the gateways know them."""

    def __init__(self, folder: Path) -> None:
        self.users = [Caller(name) for name in dict.fromkeys(USERS)]
        self.looker = Caller(LOOKER, admin=True)
        self._tokens, self._quotas = folder / "tokens", folder / "quotas.toml"
        known = [*self.users, self.looker]
        entries = [TokenEntry(Principal(each.name, admin=each.admin), hash_of(each.token), None) for each in known]
        self._tokens.write_text("".join(f"{entry.line()}\n" for entry in entries))
        self._quotas.write_text(QUOTAS)

    def of_client(self, number: int) -> Caller:
        """Give the principal of a client."""
        name = USERS[number % len(USERS)]
        return next(user for user in self.users if user.name == name)

    @property
    def flags(self) -> tuple[str, ...]:
        """Tell a gateway of them."""
        return ("--tokens", str(self._tokens), "--quotas", str(self._quotas))
