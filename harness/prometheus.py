"""A Prometheus that asks the processes of a mesh, as a real process with data of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.ports import free_port
from harness.process import Process

RULES = Path(__file__).parents[1] / "deploy" / "prometheus" / "alerts.yml"
SCRAPE = "1s"
LOADED = "Server is ready to receive web requests"


def prometheus(folder: Path, addresses: Mapping[str, str], consoles: Path) -> tuple[Process, str]:
    """Give a Prometheus that is not started yet, and where it will be.

    `addresses` are those of a mesh's metrics, by the names of its processes; `consoles` the folder of the pages that it shows.
    """
    settings = folder / "prometheus.yml"
    jobs = {kind: [at for name, at in addresses.items() if name.startswith(kind)] for kind in ("gateway", "worker", "edge")}
    settings.write_text(json.dumps(_configuration(jobs)))  # JSON is YAML
    target = f"127.0.0.1:{free_port()}"
    flags = {
        "config.file": settings,
        "storage.tsdb.path": folder / "data",
        "web.listen-address": target,
        "web.console.templates": consoles,
        "web.console.libraries": consoles,
    }
    command = ["prometheus", *(f"--{name}={value}" for name, value in flags.items())]
    return Process("prometheus", command, log=folder / "prometheus.log"), target


def _configuration(jobs: Mapping[str, Iterable[str]]) -> dict[str, object]:
    scraped = [{"job_name": kind, "static_configs": [{"targets": list(targets)}]} for kind, targets in jobs.items()]
    often = {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": SCRAPE}
    return {"global": often, "rule_files": [str(RULES)], "scrape_configs": scraped}
