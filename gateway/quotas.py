"""Whose quota is which: one for everybody, and a file with those of some, which may change while the gateway runs."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Mapping
from pathlib import Path

from dispatch.errors import ConfigurationError
from gateway.file_stamp import stamp
from gateway.quota import NO_LIMIT, Quota

log = logging.getLogger(__name__)

MAX_FILE_BYTES = 1024 * 1024


class Quotas:
    """The quotas by principal. Roles make no difference: a runaway script of an administrator does the same harm.

    The file is TOML: a table for each principal, with what differs from the quota of everybody.

    Raises:
        ConfigurationError: the file cannot be read.
    """

    def __init__(self, everybody: Quota = NO_LIMIT, file: Path | None = None) -> None:
        self._everybody = everybody
        self._file = file
        self._own: Mapping[str, Quota] = {}
        self._seen: object = None
        if file is not None:
            self._seen, self._own = stamp(file), _read(file, everybody)

    def of(self, principal: str) -> Quota:
        return self._own.get(principal, self._everybody)

    def refresh(self) -> None:
        """Read the file again if it has changed. While it cannot be read what was read before holds."""
        if self._file is None:
            return
        try:
            seen = stamp(self._file)
            if seen == self._seen:
                return
            self._seen = seen
            self._own = _read(self._file, self._everybody)
        except ConfigurationError as error:
            log.error("the quotas stay as they were: %s", error)
        else:
            log.info("the quotas were read again: %d principals have their own", len(self._own))


def _read(file: Path, everybody: Quota) -> Mapping[str, Quota]:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ConfigurationError(f"{file} has more than {MAX_FILE_BYTES} bytes")
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file} cannot be read as the quotas of principals: {error}") from error
    for principal, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigurationError(f"{file}: {principal} is no table; write [{principal}] above its quotas")
    try:
        return {principal: everybody.changed(table) for principal, table in tables.items()}
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}") from error
