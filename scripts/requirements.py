"""Print what the server needs from elsewhere for some of its extras, one requirement a line: requirements.py EXTRA...

An image installs these before our own code, so that a change of the code leaves them where they are.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

OURS = "myeye"


def requirements(root: Path, extras: list[str]) -> list[str]:
    """Give the requirements of the server with these extras, and of the client package that holds the generated code."""
    server, client = (tomllib.loads((root / path / "pyproject.toml").read_text())["project"] for path in (".", "clients/python"))
    optional = [each for extra in extras for each in server["optional-dependencies"][extra]]
    named = [*server["dependencies"], *optional, *client["dependencies"]]
    return sorted(set(named) - {OURS})


if __name__ == "__main__":
    print("\n".join(requirements(Path(__file__).parent.parent, sys.argv[1:])))
