"""Draw the results of a run: `python -m bench.plot [RESULTS.json …]`"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.chart import Bar, Chart

RESULTS = Path(".build/bench")
IMAGES = Path("docs/images")
LIMIT, OURS, EMBEDDED, PEER = "#8c959f", "#0969da", "#54aeff", "#bf8700"
JOBS = re.compile(r"No-op jobs, .+?, (?P<shape>one .+|peers)$")
DETECT = re.compile(r"Detect, (?P<detectors>\d+) detector process\(es\), (?P<megapixels>[\d.]+) megapixels")

Results = Mapping[str, Any]


def jobs(results: Results) -> Chart | None:
    """Show what small jobs cost in every shape, beside the raw stack and the peers."""
    groups = [
        ("what one would use instead" if found["shape"] == "peers" else found["shape"].replace(", ", "; "), _costs(table))
        for table, found in _matching(results, JOBS)
    ]
    title = "What a small job costs, from end to end, when detecting takes no time"
    return Chart(title, _about(results), groups) if len(groups) > 1 else None


def _costs(table: Results) -> list[Bar]:
    """Show CPU time, which other load on the machine moves least, and write the rate beside it."""
    return [Bar(row[0], row[3], f"{row[3]:,.1f} ms of CPU · {_rate(row[1])}/s", _colour(row[0])) for row in table["rows"]]


def detect(results: Results) -> Chart | None:
    """Show what detections cost, beside a loop that does nothing but decode and detect."""
    groups = [
        (f"{found['megapixels']} megapixels, {_counted(int(found['detectors']))}", _costs(table))
        for table, found in _matching(results, DETECT)
    ]
    title = "What a detection costs through the whole mesh, beside a bare loop around MediaPipe"
    return Chart(title, _about(results), groups) if groups else None


def _counted(detectors: int) -> str:
    return f"{detectors} detector process" + "es" * (detectors > 1)


def _rate(per_s: float) -> str:
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:.1f}"


CHARTS = {"bench-jobs.svg": jobs, "bench-detect.svg": detect}


def _matching(results: Results, titles: re.Pattern[str]) -> Iterator[tuple[Results, re.Match[str]]]:
    for table in results["tables"]:
        if found := titles.match(table["title"]):
            yield table, found


def _colour(name: str) -> str:
    ours = EMBEDDED if "embedded" in name else OURS
    return ours if name.startswith("myeye") else LIMIT if name in ("raw stack", "bare loop") else PEER


def _about(results: Results) -> str:
    machine, rounds = results["machine"], results["plan"]["rounds"]
    others = [
        int(row[-1].rstrip("%")) for table in results["tables"] for row in table["rows"] if table["columns"][-1] == "foreign CPU"
    ]
    busy = f"others took {median(others):.0f}% of {machine['cores']} cores"
    return (
        f"client, gateway, broker and workers · median of {rounds} round{'s' * (rounds > 1)} · {busy} · {results['begun'][:10]}"
    )


def newest_first() -> Iterator[Path]:
    """Give all results of real runs."""
    for file in sorted(RESULTS.glob("*.json"), reverse=True):
        if not json.loads(file.read_text())["plan"]["quick"]:
            yield file


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.plot", description="Draw the results of a run as SVG.")
    parser.add_argument("results", nargs="*", type=Path, help="where to look, first first; the newest runs if none are named")
    parser.add_argument("--into", type=Path, default=IMAGES, metavar="FOLDER")
    given = parser.parse_args(arguments)
    runs = [json.loads(file.read_text()) for file in given.results or newest_first()]
    for name, draw in CHARTS.items():
        chart = next((chart for run in runs if (chart := draw(run))), None)
        if chart is None:
            print(f"nothing to draw {name} of", file=sys.stderr)
            continue
        (given.into / name).write_text(chart.svg())
        print(f"wrote {given.into / name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
