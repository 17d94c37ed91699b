"""What an operator can set about how much callers may have and do."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dispatch.errors import ConfigurationError
from gateway.limits import Limits
from gateway.quota import NO_LIMIT, Quota, read_quota
from gateway.quotas import Quotas


@dataclass(frozen=True, slots=True, kw_only=True)
class FairUse:
    """The quota of everybody, a file with those of some, and what one gateway takes at once from all callers (0: no limit).

    Raises:
        ConfigurationError: a number is negative.
    """

    quota: Quota = NO_LIMIT
    quotas_file: Path | None = None
    max_watches: int
    max_uploads: int
    """Each takes up to 20 MB of memory."""

    def __post_init__(self) -> None:
        if self.max_watches < 0 or self.max_uploads < 0:
            raise ConfigurationError("--max-watches and --max-uploads are 0, for no limit, or positive")

    def quotas(self) -> Quotas:
        """Read the file. Raises ConfigurationError if it cannot be read."""
        return Quotas(self.quota, self.quotas_file)


def add_fair_use_flags(parser: argparse.ArgumentParser, fallback: Callable[[str, str], str]) -> None:
    """Add the flags; `fallback` gives a MYEYE_… variable, or the default that stands behind it."""
    add, limits = parser.add_argument, Limits()
    quota = fallback("QUOTA", "")
    add("--quota", metavar="NAME=N,…", default=quota, help="of each principal: jobs, items, bytes, rate, burst, watches, uploads")
    add(
        "--quotas",
        metavar="FILE",
        default=fallback("QUOTAS", ""),
        help="TOML with a table for each principal whose quota differs",
    )
    watches, uploads = fallback("MAX_WATCHES", str(limits.max_watches)), fallback("MAX_UPLOADS", str(limits.max_uploads))
    add("--max-watches", type=int, metavar="N", default=watches, help="watches of this gateway at once; 0: no limit")
    add("--max-uploads", type=int, metavar="N", default=uploads, help="calls that upload to this gateway at once; 0: no limit")


def read_fair_use(given: argparse.Namespace) -> FairUse:
    """Read what the flags say. Raises ConfigurationError."""
    return FairUse(
        quota=read_quota(given.quota),
        quotas_file=Path(given.quotas) if given.quotas else None,
        max_watches=given.max_watches,
        max_uploads=given.max_uploads,
    )
