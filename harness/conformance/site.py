"""The mesh that the scenario is played on, and the picture that is handed in."""

from __future__ import annotations

from pathlib import Path

import matplotlib

from harness.mesh import Mesh

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = ROOT / "clients/conformance/scenario.json"
LINES = ROOT / "clients/conformance/lines.jsonl"
IDLE_MODEL = "waiting-room"
"""The gateway's default; no worker has it, so that its jobs wait until they are cancelled."""
QUEUE_LENGTH = "60"


def conformance_mesh(folder: Path, *, page: Path | None = None) -> Mesh:
    """Make a mesh with an edge; `page` is the folder of the web page that the edge serves, if not ours."""
    return Mesh(
        folder,
        edge=True,
        gateway_flags=("--model", IDLE_MODEL, "--max-queue-length", QUEUE_LENGTH),
        worker_flags=("--max-queue-length", QUEUE_LENGTH),
        edge_flags=() if page is None else ("--web", str(page)),
    )


def picture() -> Path:
    """Give a photograph of a person, with a tie, that matplotlib ships."""
    return Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
