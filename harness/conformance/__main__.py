"""Build all clients, or those that are named, play the scenario with each, and print what became of it as one table."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.conformance.clients import CLIENTS, DIRECT, EDGE, Client
from harness.conformance.play import Line, Played, play, play_example, wanted
from harness.conformance.site import LINES, PAGE, Site, conformance_site

HEAD = ("client", "calls with", "tried with", "directly", "through the edge", "example")


def main() -> int:
    names = [client.name for client in CLIENTS]
    parser = argparse.ArgumentParser(prog="python -m harness.conformance", description=__doc__)
    parser.add_argument("client", nargs="*", help=f"of {', '.join(names)}; all without")
    chosen = parser.parse_args().client
    if unknown := set(chosen) - set(names):
        parser.error(f"there is no client {', '.join(sorted(unknown))}")
    clients = [client for client in CLIENTS if not chosen or client.name in chosen]
    rows = [_row(client) for client in clients]
    built = [(client, row) for client, row in zip(clients, rows, strict=True) if row[2]]
    with tempfile.TemporaryDirectory(prefix="myeye-conformance-") as folder:
        page = PAGE if PAGE.is_dir() else None
        with conformance_site(Path(folder) / "mesh", page=page) as site:
            for client, row in built:
                _play_all(client, site, Path(folder), row)
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    for row in (list(HEAD), ["-" * width for width in widths], *rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
    return 0 if all(set(row[3:]) <= {"equal", "works", "—"} for row in rows) else 1


def _row(client: Client) -> list[str]:
    """Build a client, and begin its line of the table; it has no version when it could not be built."""
    _say(f"{client.name}: building")
    try:
        client.build()
        version = client.version()
    except (OSError, subprocess.CalledProcessError) as error:
        _say(str(error), *([error.output] if isinstance(error, subprocess.CalledProcessError) else []))
        return [client.name, client.library, "", "not built", "not built", "not built"]
    return [client.name, client.library, version, "—", "—", "—"]


def _play_all(client: Client, site: Site, folder: Path, row: list[str]) -> None:
    targets = {DIRECT: site.direct, EDGE: site.edge}
    for route in client.routes:
        _say(f"{client.name}: {route}")
        played = play(client.conformance, targets[route], client.run_name(route), folder)
        row[3 if route == DIRECT else 4] = _verdict(client, played, wanted(LINES))
    if client.example:
        shown = play_example(client.example, targets[client.routes[0]])
        row[5] = "works" if shown.status == 0 and "person" in shown.said else "FAILS"
        if row[5] == "FAILS":
            _say(shown.said)


def _verdict(client: Client, played: Played, lines: list[Line]) -> str:
    if played.status == 0 and played.lines == lines:
        return "equal"
    for line in lines:
        if line not in played.lines:
            told = next((each for each in played.lines if each.get("step") == line["step"]), None)
            _say(f"{client.name}: wanted {json.dumps(line)}", f"{client.name}: told   {json.dumps(told)}")
    _say(f"{client.name}: ended with {played.status}", played.said[-3000:])
    return "DIFFERENT"


def _say(*lines: str) -> None:
    print(*lines, sep="\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
