"""The clients, how each is built and run, and how its toolchain tells its version."""

from __future__ import annotations

import fcntl
import re
import subprocess
import sys
from dataclasses import dataclass

from harness.conformance.site import ROOT

DIRECT, EDGE = "direct", "edge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Commands run at the top of the checkout.

    `conformance` takes TARGET SCENARIO PICTURE RUN GUARDED TOKEN, `example` TARGET PICTURE.
    """

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

    def run_name(self, route: str) -> str:
        """Make a word that can be part of an upload's id."""
        return re.sub("[^a-z0-9]+", "-", f"{self.name}-{route}".lower())

    def version(self) -> str:
        """Tell the toolchain, as "node v20.1.0"; what it says besides is left out."""
        told = subprocess.run(self.tried_with, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        return told.stdout.strip().splitlines()[0]


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
CHROMIUM = Client(
    name="Chromium",
    folder="clients/browser",
    conformance=(sys.executable, "clients/browser/chromium.py"),
    example=(sys.executable, "clients/browser/chromium.py"),
    tried_with=("chromium", "--version"),
    library="Connect, gRPC-Web",
    routes=(EDGE,),
)
NODE_WEB, NODE_WEB_2 = (
    Client(
        name=f"Node-HTTP/{version}",
        folder="clients/browser",
        conformance=("node", "clients/browser/build/node/conformance-node.js", version),
        tried_with=("node", "--version"),
        library="Connect, gRPC-Web",
        routes=(EDGE,),
    )
    for version in ("1.1", "2")
)
GO = Client(
    name="Go",
    folder="clients/go",
    conformance=("clients/go/build/conformance",),
    example=("clients/go/build/detect",),
    tried_with=("go", "version"),
    library="google.golang.org/grpc",
)
JAVA = Client(
    name="Java",
    folder="clients/java",
    conformance=("sh", "clients/java/build/java", "Conformance"),
    example=("sh", "clients/java/build/java", "Detect"),
    tried_with=("javac", "--version"),
    library="io.grpc",
)
CPP = Client(
    name="C++",
    folder="clients/cpp",
    conformance=("clients/cpp/build/conformance",),
    example=("clients/cpp/build/detect",),
    tried_with=("g++", "--version"),
    library="grpc++",
)
RUBY = Client(
    name="Ruby",
    folder="clients/ruby",
    conformance=("ruby", "clients/ruby/conformance.rb"),
    example=("ruby", "clients/ruby/detect.rb"),
    tried_with=("ruby", "--version"),
    library="grpc",
)

CLIENTS = (PYTHON, NODE, CHROMIUM, NODE_WEB, NODE_WEB_2, GO, JAVA, CPP, RUBY)
