"""Make the passwords, the first token and the certificate of a deployment: make_secrets.py [--folder FOLDER] [NAME…].

What is there already stays as it is. Remove a file with those made of it (all that begin alike) for a new secret.
The folder is its owner's alone; the files in it can be read by all, for in a container other users must.

The names, besides localhost, are those by which the edge will be called. Needs Python, and openssl for the certificate;
who has a certificate puts it and its key there before.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import ipaddress
import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

USER = "myeye"
PASSWORD_BYTES = 24
SALT_BYTES = 4
TOKEN_BYTES = 32
VARIABLE = "MYEYE_SECRETS"
FIRST = "root"
"""Whose the first token is: an admin."""
CERTIFICATE_DAYS = 825
"""What Apple's clients take at most."""
LOCAL = ("localhost", "127.0.0.1", "::1")


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


def token_files(name: str) -> dict[str, str]:
    """Give the first token, and the gateways' file of tokens, which holds its hash: gateway/identity/token_file.py reads it."""
    token = "myeye_" + secrets.token_urlsafe(TOKEN_BYTES)
    return {name: token, f"{name}s": f"{FIRST}:admin:{hashlib.sha256(token.encode()).hexdigest()}"}


def certificate_files(name: str, called: Sequence[str] = ()) -> dict[str, str]:
    """Give a certificate that has signed itself and can sign no other, and its key: who trusts it trusts this edge alone.

    Raises:
        SystemExit: openssl is not there, or refuses the names.
    """
    names = ",".join(_alternative(each) for each in dict.fromkeys((*LOCAL, *called)))
    extensions = (
        f"subjectAltName={names}",
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=serverAuth",
    )
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "certificate"), Path(folder, "key")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-batch"]
        command += ["-subj", f"/CN={USER}", "-days", str(CERTIFICATE_DAYS), "-out", str(certificate), "-keyout", str(key)]
        command += [part for extension in extensions for part in ("-addext", extension)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError as error:
            files = f"{name}-certificate.pem and {name}-key.pem"
            raise SystemExit(f"openssl makes the certificate: install it, or put {files} of your own there") from error
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"openssl makes no certificate for {names}:\n{error.stderr.strip()}") from error
        return {f"{name}-certificate.pem": certificate.read_text().strip(), f"{name}-key.pem": key.read_text().strip()}


def _alternative(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


MAKERS: Mapping[str, Callable[[str], dict[str, str]]] = {
    "broker": broker_files,
    "s3": s3_files,
    "grafana": grafana_files,
    "token": token_files,
}
FILES: Mapping[str, Sequence[str]] = {
    "broker": ("broker", "broker-definitions.json"),
    "s3": ("s3-access-key", "s3-secret-key", "s3-identities.json"),
    "grafana": ("grafana",),
    "token": ("token", "tokens"),
    "edge": ("edge-certificate.pem", "edge-key.pem"),
}
"""What each of them makes, and the certificate, for which names are needed."""
PRIVATE = ("token",)
"""What no container reads."""


def make(folder: Path, called: Sequence[str] = ()) -> list[str]:
    """Make what is missing, and give the names of the files made; `called` is how the edge is, besides localhost.

    Raises:
        SystemExit: only some of the files that belong together are there, or there is nothing to make a certificate with.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: list[str] = []
    makers = {**MAKERS, "edge": lambda name: certificate_files(name, called)}
    for name, files in FILES.items():
        there = [file for file in files if (folder / file).exists()]
        if there and len(there) < len(files):
            raise SystemExit(f"{folder}: {', '.join(there)} without {', '.join(set(files) - set(there))}; remove it for new ones")
        if not there:
            for file, content in makers[name](name).items():
                (folder / file).touch(mode=0o600)
                (folder / file).write_text(content + "\n")
                (folder / file).chmod(0o600 if file in PRIVATE else 0o644)
            made += files
    return made


def tell_compose(folder: Path, settings: Path) -> None:
    """Name the folder in compose's own file of settings, unless it says something of it already."""
    said = settings.read_text() if settings.exists() else ""
    if not any(line.startswith(f"{VARIABLE}=") for line in said.splitlines()):
        settings.write_text(f"{said}{VARIABLE}={folder}\n")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="make_secrets.py", description="Makes the secrets of a deployment, those that are missing."
    )
    parser.add_argument("--folder", type=Path, default=Path(".secrets"), help="where they are kept")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="by which the edge is called, besides localhost: host or address"
    )
    given = parser.parse_args(arguments)
    made = make(given.folder, given.names)
    tell_compose(given.folder, Path(".env"))
    print(f"{given.folder}: {', '.join(made) or 'nothing new'}")
    if "token" in made:
        print(f"the token of {FIRST}, an admin, is in {given.folder}/token; clients trust {given.folder}/edge-certificate.pem")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
