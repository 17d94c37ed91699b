"""`python -m tests.torture --broker cluster --seed 1 --minutes 15`: a run, its report, and status 1 if a promise was broken."""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.torture.report import lines
from tests.torture.run import torture

NODES = {"embedded": 0, "rabbitmq": 1, "cluster": 3}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description="Break everything, and see what holds.")
    parser.add_argument("--broker", choices=NODES, default="embedded")
    parser.add_argument("--seed", type=int, default=1, help="the same seed breaks the same things in the same order")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--fault", action="append", metavar="KIND", help="only this kind; may be repeated")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    logging.getLogger("dispatch").setLevel(logging.WARNING)
    folder = Path(tempfile.mkdtemp(prefix="myeye-torture-"))
    print(f"seed {given.seed}, logs below {folder}", flush=True)
    verdict = asyncio.run(
        torture(folder / "site", seed=given.seed, duration_s=given.minutes * 60, nodes=NODES[given.broker], kinds=given.fault)
    )
    print("\n".join(lines(verdict)))
    failed = bool(verdict.breaches or verdict.missed)
    if not failed:
        shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
