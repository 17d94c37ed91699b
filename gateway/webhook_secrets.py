"""What webhooks are signed with: a file with the secrets of each principal, which may change while the gateway runs."""

from __future__ import annotations

import base64
import binascii
import logging
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from dispatch.errors import ConfigurationError
from gateway.file_stamp import stamp

log = logging.getLogger(__name__)

PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
"""As the Standard Webhooks specification has it."""
EVERYBODY = "*"
MAX_FILE_BYTES = 1024 * 1024


class WebhookSecrets:
    """The secrets by principal, as bytes. While one is replaced there are several, and each signs.

    The file is TOML: `ann = ["whsec_…"]` for each principal, and `"*" = ["whsec_…"]` for all who are not named.

    Raises:
        ConfigurationError: the file cannot be read.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._seen: object = None
        self._secrets: Mapping[str, Sequence[bytes]] = {}
        if file is not None:
            self._seen, self._secrets = stamp(file), _read(file)

    def of(self, principal: str) -> Sequence[bytes]:
        """Give what to sign with for a principal; empty if there is nothing."""
        return self._secrets.get(principal) or self._secrets.get(EVERYBODY, ())

    def refresh(self) -> None:
        """Read the file again if it has changed. While it cannot be read what was read before holds."""
        if self._file is None:
            return
        try:
            seen = stamp(self._file)
            if seen == self._seen:
                return
            self._seen = seen
            self._secrets = _read(self._file)
        except ConfigurationError as error:
            log.error("the secrets of webhooks stay as they were: %s", error)
        else:
            log.info("the secrets of webhooks were read again: of %d principals", len(self._secrets))


NO_SECRETS = WebhookSecrets()


def _read(file: Path) -> Mapping[str, Sequence[bytes]]:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ConfigurationError(f"{file} has more than {MAX_FILE_BYTES} bytes")
        lists = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read as the secrets of webhooks: {error}") from error
    except ValueError as error:  # its text may repeat a secret
        raise ConfigurationError(f'{file} is not TOML of the kind ann = ["{PREFIX}…"]') from error
    return {principal: _secrets(file, principal, given) for principal, given in lists.items()}


def _secrets(file: Path, principal: str, given: object) -> Sequence[bytes]:
    wrong = ConfigurationError(
        f"{file}: {principal!r} has no list of secrets, each {PREFIX} and the base64 of "
        f"{SECRET_BYTES.start} to {SECRET_BYTES.stop - 1} random bytes"
    )
    if not isinstance(given, list) or not given:
        raise wrong
    secrets = []
    for text in given:
        if not isinstance(text, str) or not text.startswith(PREFIX):
            raise wrong
        try:
            secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except binascii.Error as error:
            raise wrong from error
        if len(secret) not in SECRET_BYTES:
            raise wrong
        secrets.append(secret)
    return tuple(secrets)
