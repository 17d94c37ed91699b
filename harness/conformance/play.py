"""Run one client's program, cut its connection when it asks for that, and collect the lines that it prints."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from harness.conformance.site import ROOT, SCENARIO, TOKEN, Targets, picture
from harness.proxy import Proxy

LIMIT_S = 100.0

Line: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Played:
    """What a client has printed: its lines, in order, and what it said to people."""

    lines: list[Line]
    status: int
    said: str


def play(command: Sequence[str], targets: Targets, run: str, folder: Path) -> Played:
    """Run `command` TARGET SCENARIO PICTURE RUN GUARDED TOKEN, through a proxy of its own that the client can have cut.

    What it says to people goes through a file in `folder`, so that it cannot get stuck on it.
    """
    told, said = [], folder / f"{run}.stderr"
    with Proxy([int(targets.open.rpartition(":")[2])]) as proxy, said.open("w+") as errors:
        arguments = [f"127.0.0.1:{proxy.port}", str(SCENARIO), str(picture()), run, targets.guarded, TOKEN]
        with subprocess.Popen([*command, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True) as child:
            limit = threading.Timer(LIMIT_S, child.kill)
            limit.start()
            assert child.stdout is not None
            for line in map(_parsed, child.stdout):
                if line.get("ask") == "cut":
                    proxy.cut()
                    proxy.mend()
                else:
                    told.append(line)
            status = child.wait()
            limit.cancel()
    return Played(told, status, said.read_text())


def play_example(command: Sequence[str], targets: Targets) -> Played:
    """Run `command` TARGET PICTURE. It says all to people."""
    done = subprocess.run(
        [*command, targets.open, str(picture())],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return Played([], done.returncode, done.stdout)


def _parsed(text: str) -> Line:
    try:
        line = json.loads(text)
    except ValueError:
        return {"not JSON": text.rstrip()}
    return line if isinstance(line, dict) else {"not an object": line}


def wanted(lines: Path) -> list[Line]:
    """Read the lines that every client is to print."""
    return [json.loads(text) for text in lines.read_text().splitlines() if text.strip()]
