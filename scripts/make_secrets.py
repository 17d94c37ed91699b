"""Make the passwords and keys of a deployment: make_secrets.py [FOLDER]. Needs Python alone.

What is there already stays as it is. Remove a file with those made of it (all that begin alike) for a new secret.
The folder is its owner's alone; the files in it can be read by all, for in a container other users must.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

USER = "myeye"
PASSWORD_BYTES = 24
SALT_BYTES = 4
VARIABLE = "MYEYE_SECRETS"


def password() -> str:
    """Give a password of letters, digits, "-" and "_", which an address holds as they are."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def broker_files(name: str) -> dict[str, str]:
    """Give RabbitMQ's address for gateways and workers, and the definitions that make its only user.

    The user may do what myeye does: with what is called myeye.…, with a listener's own queue, and publish to any queue.
    """
    secret, salt = password(), secrets.token_bytes(SALT_BYTES)
    hashed = base64.b64encode(salt + hashlib.sha256(salt + secret.encode()).digest()).decode()
    names = r"myeye\.|amq\.gen-"
    user = {"name": USER, "password_hash": hashed, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": []}
    allowed = {"configure": f"^({names})", "write": rf"^({names}|amq\.default$)", "read": f"^({names})"}
    definitions = {
        "vhosts": [{"name": "/"}],
        "users": [user],
        "permissions": [{"user": USER, "vhost": "/", **allowed}],
    }
    return {name: f"amqp://{USER}:{secret}@rabbitmq:5672/%2F", f"{name}-definitions.json": json.dumps(definitions, indent=1)}


def s3_files(name: str) -> dict[str, str]:
    """Give the keys of the S3-compatible store, for our processes and for its own configuration."""
    access, secret = secrets.token_hex(10), password()
    keys = [{"accessKey": access, "secretKey": secret}]
    identities = {"identities": [{"name": USER, "credentials": keys, "actions": ["Admin", "Read", "Write", "List"]}]}
    return {
        f"{name}-access-key": access,
        f"{name}-secret-key": secret,
        f"{name}-identities.json": json.dumps(identities, indent=1),
    }


def grafana_files(name: str) -> dict[str, str]:
    """Give the password of Grafana's user "admin"."""
    return {name: password()}


MAKERS: Mapping[str, Callable[[str], dict[str, str]]] = {"broker": broker_files, "s3": s3_files, "grafana": grafana_files}


def make(folder: Path) -> list[str]:
    """Make what is missing, and give the names of the files made.

    Raises:
        SystemExit: only some of the files that belong together are there.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: list[str] = []
    for name, maker in MAKERS.items():
        files = maker(name)
        there = [file for file in files if (folder / file).exists()]
        if there and len(there) < len(files):
            raise SystemExit(f"{folder}: {', '.join(there)} without {', '.join(set(files) - set(there))}; remove it for new ones")
        if not there:
            for file, content in files.items():
                (folder / file).write_text(content + "\n")
                (folder / file).chmod(0o644)
            made += files
    return made


def tell_compose(folder: Path, settings: Path) -> None:
    """Name the folder in compose's own file of settings, unless it says something of it already."""
    said = settings.read_text() if settings.exists() else ""
    if not any(line.startswith(f"{VARIABLE}=") for line in said.splitlines()):
        settings.write_text(f"{said}{VARIABLE}={folder}\n")


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0] if arguments else ".secrets")
    made = make(folder)
    tell_compose(folder, Path(".env"))
    print(f"{folder}: {', '.join(made) or 'nothing new'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
