"""The installation that the scenario is played on, and the picture that is handed in."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib

from harness.mesh import START_LIMIT_S, Mesh
from harness.process import Process

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = ROOT / "clients/conformance/scenario.json"
LINES = ROOT / "clients/conformance/lines.jsonl"
PAGE = ROOT / "clients/browser/build/page"
"""What the edge serves in place of our page, once it is built: the browser's client must be of the same origin."""
MODEL_FILE = Path("~/.cache/myeye/models/efficientdet-lite0.tflite").expanduser()
QUEUE_LENGTH = ("--max-queue-length", "80")


TOKEN = "myeye_conformance"  # noqa: S105
"""What a caller shows where tokens are asked for."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Where an installation is reached: without more, and where a token is asked for."""

    open: str
    guarded: str


@dataclass(frozen=True, slots=True)
class Site:
    """An installation, by the two ways to it."""

    direct: Targets
    edge: Targets


@contextmanager
def conformance_site(folder: Path, *, page: Path | None = None) -> Iterator[Site]:
    """Run a mesh with an edge, and a gateway with an edge where a token is asked for.

    The mesh's second model is known, but has no worker any more: jobs for it wait until they are cancelled. `page` is the
    folder of the web page that the edges serve, if not ours.
    """
    edge_flags = () if page is None else ("--web", str(page))
    with Mesh(folder, edge=True, gateway_flags=QUEUE_LENGTH, worker_flags=QUEUE_LENGTH, edge_flags=edge_flags) as mesh:
        _offer_once(folder, f"waiting-room={MODEL_FILE}")
        tokens = folder / "tokens"
        tokens.write_text(f"conformance:user:{hashlib.sha256(TOKEN.encode()).hexdigest()}\n")
        with Mesh(
            folder / "guarded", edge=True, workers=0, gateway_flags=("--tokens", str(tokens)), edge_flags=edge_flags
        ) as guarded:
            yield Site(Targets(mesh.target, guarded.target), Targets(mesh.edge_target, guarded.edge_target))


def _offer_once(folder: Path, model: str) -> None:
    """Let a worker tell of a model, and go."""
    where = ("--broker", f"embedded://{folder}/broker", "--blobs", f"file://{folder}/blobs", *QUEUE_LENGTH)
    command = (sys.executable, "-m", "worker", *where, "--model", model, "--detectors", "1")
    worker = Process("gone", command, log=folder / "gone.log")
    worker.start()
    try:
        worker.wait_for(r"worker \S+ ready", START_LIMIT_S)
    finally:
        worker.stop()


def picture() -> Path:
    """Give a photograph of a person, with a tie, that matplotlib ships."""
    return Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
