"""docker-compose.yml as compose reads it where no variable is set."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docker-compose.yml"
SECRETS = "MYEYE_SECRETS"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def read_compose() -> dict[str, Any]:
    """Read the file, with its defaults filled in; a variable that must be set is given its own name."""
    read: dict[str, Any] = _interpolated(yaml.safe_load(FILE.read_text()))
    return read


def environment_outside(compose: dict[str, Any], service: str, secrets: Path) -> dict[str, str]:
    """Give the environment of a service for a process outside of any container, with the files where they are on the host.

    What tells it where others are and where it is itself is left out, for there that is another matter.
    """
    declared = {name: Path(told["file"]).name for name, told in compose["secrets"].items()}
    mounts = dict(reversed(volume.split(":")[:2]) for volume in compose["services"][service].get("volumes", []) if ":" in volume)
    return {
        name: _on_the_host(str(value), declared, mounts, secrets)
        for name, value in compose["services"][service]["environment"].items()
        if not name.endswith(("BROKER_FILE", "BLOBS", "KEY_ID_FILE", "ACCESS_KEY_FILE", "GATEWAYS", "METRICS", "INSECURE"))
    }


def _on_the_host(value: str, declared: dict[str, str], mounts: dict[str, str], secrets: Path) -> str:
    folder, _, name = value.rpartition("/")
    if folder == "/run/secrets":
        return str(secrets / declared[name])
    return str(ROOT / mounts[folder] / name) if folder in mounts else value


def _interpolated(value: Any) -> Any:
    match value:
        case dict():
            return {key: _interpolated(each) for key, each in value.items()}
        case list():
            return [_interpolated(each) for each in value]
        case str():
            return VARIABLE.sub(lambda found: found[3] if found[2] == "-" else found[1], value)
        case _:
            return value
