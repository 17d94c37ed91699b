"""Secrets out of files: NAME_FILE stands in for NAME, so that none need be in an environment or on a command line."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path

from dispatch.errors import ConfigurationError

SECRETS = ("MYEYE_BROKER", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
"""What may be given as a file. AWS_… variables are read by the S3 client itself, out of this process's environment."""


def read_secrets(environment: MutableMapping[str, str]) -> None:
    """Put what the files hold where it would be without them, less the white space around it.

    Raises:
        ConfigurationError: a secret is given twice, or its file cannot be read or holds nothing.
    """
    for name in SECRETS:
        path = environment.get(f"{name}_FILE")
        if not path:
            continue
        if environment.get(name):
            raise ConfigurationError(f"{name} and {name}_FILE are both set: give one of them")
        try:
            secret = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{name}_FILE: {path} cannot be read: {error}") from error
        if not secret:
            raise ConfigurationError(f"{name}_FILE: {path} holds nothing")
        environment[name] = secret
