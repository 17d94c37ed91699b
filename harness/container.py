"""A process out of an image's tree, held as a container runtime holds it: for machines that have no such runtime. Needs root."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

from harness.process import Process

DEVICES = ("null", "zero", "full", "random", "urandom")
LINKS = {"fd": "fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image of buildah's, its tree unpacked."""

    root: Path
    environment: Mapping[str, str]
    entrypoint: Sequence[str]
    healthcheck: Sequence[str]
    user: str
    folder: str

    @classmethod
    def unpacked(cls, name: str, container: str) -> Self:
        """Read how an image is to be run, and mount its tree as the buildah container of this name; `buildah rm` ends that."""
        told = json.loads(buildah("inspect", "--type", "image", name))["Docker"]["config"]
        buildah("from", "--pull-never", "--name", container, name)
        return cls(
            root=Path(buildah("mount", container)),
            environment=dict(each.split("=", 1) for each in told["Env"]),
            entrypoint=told["Entrypoint"],
            healthcheck=told["Healthcheck"]["Test"][1:],
            user=told["User"],
            folder=told["WorkingDir"] or "/",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """How to run an image: read-only, with a /tmp of its own, these folders of ours laid over its own, and the host's network."""

    image: Image
    environment: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[Path, str] = field(default_factory=dict)

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Give the command that runs `arguments` in there, as process 1 and as the image's user, who can become nobody else."""
        root = shlex.quote(str(self.image.root))
        binds = [f"mount --bind {shlex.quote(str(ours))} {root}{theirs}" for ours, theirs in self.volumes.items()]
        user = self.image.user.partition(":")[0]
        steps = [
            f"mount --bind {root} {root}",
            f"mount -o remount,bind,ro {root}",
            f"mount -t proc proc {root}/proc",
            f"mount -t sysfs -o ro sysfs {root}/sys",
            f"mount -t tmpfs -o mode=1777 tmpfs {root}/tmp",  # noqa: S108 - its own
            f"mount -t tmpfs -o mode=755 tmpfs {root}/dev",
            *(f"touch {root}/dev/{name} && mount --bind /dev/{name} {root}/dev/{name}" for name in DEVICES),
            *(f"ln -s /proc/self/{theirs} {root}/dev/{name}" for name, theirs in LINKS.items()),
            f"chown {user} /proc/self/fd/1 /proc/self/fd/2",  # as runtimes do: Envoy opens /dev/stdout by its name
            f"mount --bind /etc/resolv.conf {root}/etc/resolv.conf",
            *binds,
        ]
        run = shlex.join(["chroot", str(self.image.root), *self._held(arguments)])
        script = " && ".join([*steps, f"exec {run}"])
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script]

    def _held(self, arguments: Sequence[str]) -> list[str]:
        user, _, group = self.image.user.partition(":")
        held = [
            f"--reuid={user}",
            f"--regid={group}",
            "--clear-groups",
            "--no-new-privs",
            "--bounding-set=-all",
            "--inh-caps=-all",
        ]
        given = [f"{name}={value}" for name, value in {**self.image.environment, **self.environment}.items()]
        return ["setpriv", *held, "env", "--ignore-environment", f"--chdir={self.image.folder}", *given, *arguments]

    def process(self, name: str, log: Path) -> Process:
        """Give the image's own program, not yet started."""
        return Process(name, self.command(self.image.entrypoint), log=log)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a container beside, with the same tree, and wait for it."""
        return subprocess.run(self.command(arguments), capture_output=True, text=True, timeout=60, check=False)

    def check(self, process: Process) -> subprocess.CompletedProcess[str]:
        """Run the image's health check in the container of this process, as a runtime does."""
        enter = ["nsenter", f"--target={first(process).pid}", "--mount", "--pid", "--root"]
        return subprocess.run(
            [*enter, *self._held(self.image.healthcheck)], capture_output=True, text=True, timeout=60, check=False
        )


def first(process: Process) -> psutil.Process:
    """Give process 1 of a container."""
    (child,) = psutil.Process(process.pid).children()
    return child


def stop(process: Process, limit_s: float) -> int:
    """Ask process 1 of a container to stop, as a runtime does, and give its status."""
    first(process).send_signal(signal.SIGTERM)
    return process.wait(limit_s)


def buildah(*arguments: str) -> str:
    """Run buildah, and give what it says.

    Raises:
        CalledProcessError: it failed.
    """
    return subprocess.run(["buildah", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
