"""Print what a part of the server needs from elsewhere, one requirement a line: requirements.py gateway|worker|edge.

An image installs these before our own code, so that a change of the code leaves them where they are.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

OURS = "myeye"


def requirements(root: Path, part: str) -> list[str]:
    """Give the requirements of the server with the extra `part`, and of the client package that holds the generated code."""
    server, client = (tomllib.loads((root / path / "pyproject.toml").read_text())["project"] for path in (".", "clients/python"))
    named = [*server["dependencies"], *server["optional-dependencies"][part], *client["dependencies"]]
    return sorted(set(named) - {OURS})


if __name__ == "__main__":
    print("\n".join(requirements(Path(__file__).parent.parent, sys.argv[1])))
