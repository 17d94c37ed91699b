"""The demo: a mesh on this machine, one picture through it, and what was found."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib

from harness.mesh import Mesh

FOLDER = Path(".myeye/demo")


def sample_picture() -> Path:
    """Lay the picture that matplotlib ships beside the demo's output."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    source = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return Path(shutil.copy(source, FOLDER / "grace_hopper.jpg"))


def main() -> int:
    picture = sample_picture()
    shutil.rmtree(FOLDER / "mesh", ignore_errors=True)
    print("starting a gateway and a worker, with the embedded broker …", flush=True)
    with Mesh((FOLDER / "mesh").resolve()) as mesh:
        print(f"myeye detect {picture.name}", flush=True)
        command = [sys.executable, "-m", "myeye", "--target", mesh.target, "detect", str(picture)]
        status = subprocess.run(command, check=False).returncode
    print("gateway and worker stopped", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
