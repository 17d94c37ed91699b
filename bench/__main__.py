"""python -m bench"""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from bench import depth, detect, history, idle, memory, noop, start, submit, upload, watchers, workers
from bench.load import ClientProcess
from bench.plan import BROKERS, Plan
from bench.site import Site
from bench.stacks import running_brokers
from bench.table import Table

RESULTS = Path(".build/bench").resolve()
BENCHES: Mapping[str, Callable[[Site], Iterator[Table]]] = MappingProxyType(
    {
        "submit": submit.measure,
        "noop": noop.measure,
        "idle": idle.measure,
        "detect": detect.measure,
        "memory": memory.measure,
        "history": history.measure,
        "upload": upload.measure,
        "watchers": watchers.measure,
        "depth": depth.measure,
        "workers": workers.measure,
        "start": start.measure,
    }
)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the product beside its limits.")
    parser.add_argument("--quick", action="store_true", help="check that everything runs; the figures mean nothing")
    parser.add_argument("--only", action="append", choices=BENCHES, help="run this one; may be repeated")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="take turns so often (3, quick 1)")
    parser.add_argument("--peers", action="store_true", help="measure what one would use instead beside it (see bench/README.md)")
    parser.add_argument("--seed", type=int, metavar="N", help="of the pictures; another one each time if not given")
    parser.add_argument("--broker", choices=(*BROKERS, "both"), default="both")
    return parser.parse_args(arguments)


def measure(plan: Plan, names: Sequence[str]) -> list[Table]:
    """Run the benches one after the other and print their tables as they come."""
    tables: list[Table] = []
    with (
        tempfile.TemporaryDirectory(dir=RESULTS, prefix="data-") as folder,
        running_brokers(plan, Path(folder)) as brokers,
        ClientProcess() as client,
    ):
        site = Site(plan, brokers, client, Path(folder))
        for name in names:
            print(f"{name} …", file=sys.stderr, flush=True)
            for table in BENCHES[name](site):
                print(table, flush=True)
                tables.append(table)
    return tables


def keep(plan: Plan, begun: datetime, tables: Sequence[Table]) -> Path:
    """Write the results beside the earlier ones."""
    machine = {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()}
    file = RESULTS / f"{begun:%Y-%m-%dT%H%M%S}.json"
    found = {"begun": begun.isoformat(), "machine": machine, "plan": asdict(plan), "tables": [asdict(table) for table in tables]}
    file.write_text(json.dumps(found, indent=2))
    return file


def main(arguments: Sequence[str]) -> int:
    given = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    brokers = BROKERS if given.broker == "both" else (given.broker,)
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    rounds = given.rounds or (1 if given.quick else 3)
    plan = Plan(rounds=rounds, quick=given.quick, brokers=brokers, peers=given.peers, seed=seed)
    RESULTS.mkdir(parents=True, exist_ok=True)
    begun = datetime.now().astimezone()
    tables = measure(plan, given.only or list(BENCHES))
    print(f"kept in {keep(plan, begun, tables)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
