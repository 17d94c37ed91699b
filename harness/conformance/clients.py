"""The clients, how each is built and run, and how its toolchain tells its version."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from dataclasses import dataclass

from harness.conformance.site import ROOT

DIRECT, EDGE = "direct", "edge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Commands run at the top of the checkout; `conformance` takes TARGET SCENARIO PICTURE RUN, `example` TARGET PICTURE."""

    name: str
    folder: str = ""
    """With a Makefile that builds it; empty when there is nothing to build."""
    conformance: tuple[str, ...]
    example: tuple[str, ...] = ()
    tried_with: tuple[str, ...]
    """A command whose first line says which toolchain it is."""
    library: str = ""
    """What it calls with."""
    routes: tuple[str, ...] = (DIRECT, EDGE)

    def build(self) -> None:
        """Generate its code and compile it, where that is not done yet.

        Raises:
            subprocess.CalledProcessError: with what was said.
        """
        if self.folder:
            with (ROOT / self.folder / "Makefile").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # tests in other processes build it too
                run(("make", "--no-print-directory", "-C", self.folder))

    def version(self) -> str:
        """Tell the toolchain, as "node v20.1.0"."""
        return run(self.tried_with).strip().splitlines()[0]


def run(command: tuple[str, ...]) -> str:
    """Run at the top of the checkout, and give all that it says."""
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout)
    return done.stdout


PYTHON = Client(
    name="Python",
    conformance=(sys.executable, "clients/python/conformance.py"),
    example=(sys.executable, "clients/python/examples/detect.py"),
    tried_with=(sys.executable, "--version"),
    library="myeye, on grpcio",
)
NODE = Client(
    name="Node",
    folder="clients/node",
    conformance=("node", "clients/node/build/conformance.js"),
    example=("node", "clients/node/build/detect.js"),
    tried_with=("node", "--version"),
    library="@grpc/grpc-js",
)

CLIENTS = (PYTHON, NODE)
