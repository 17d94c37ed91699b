"""What an operator can set about a worker, from flags and environment."""

from __future__ import annotations

import argparse
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from dispatch.backoff import Backoff
from dispatch.errors import ConfigurationError
from dispatch.options import MAX_PIXELS, MAX_UPLOAD_BYTES
from egress.options import EgressOptions
from telemetry.endpoint import check_address
from telemetry.tracing import tracing_wanted
from worker.detection import Engine

DEFAULT_MODEL = "efficientdet-lite0"
_LITERT = f"{Engine.LITERT}:"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model to offer: a name, and a file where the operator brings one."""

    name: str
    path: Path | None = None
    engine: Engine = Engine.MEDIAPIPE

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(f"a model's name is made of letters, digits, '.', '_' and '-', not {self.name!r}")

    @classmethod
    def parse(cls, text: str) -> ModelChoice:
        """Read "NAME", "NAME=PATH" or "NAME=litert:PATH"."""
        name, given, path = text.partition("=")
        engine = Engine.LITERT if path.startswith(_LITERT) else Engine.MEDIAPIPE
        path = path.removeprefix(_LITERT)
        if given and not path:
            raise ConfigurationError(f"a model's file is missing after '=' in {text!r}")
        return cls(name, Path(path).expanduser() if path else None, engine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A worker's settings, checked. Lengths of time are in seconds.

    Raises:
        ConfigurationError: a value is out of range; the message names it.
    """

    broker: str
    blobs: str
    models_folder: Path
    name: str
    models: tuple[ModelChoice, ...] = (ModelChoice(DEFAULT_MODEL),)
    detectors: int = 1
    """Detector processes of each model."""
    drain_s: float = 30.0
    """How long running items may go on after the signal to stop."""
    max_pixels: int = MAX_PIXELS
    """Pictures with more are refused before they are decoded."""
    log_format: str = "text"
    tracing: bool = False
    """Whether spans are sent, by OpenTelemetry's own settings."""
    metrics: str = ""
    """Where the metrics are served; empty: nowhere."""
    installation: str = "myeye"
    """Prefix of the names on the broker; the gateways' must be the same."""
    max_queue_length: int = 100_000
    """Tasks of one model and lane that may wait; the gateways' must be the same."""
    lookback_s: float = 3600.0
    """How much of the event log is read at the start."""
    offer_every_s: float = 3600.0
    """How often the models are told anew."""
    backoff: Backoff = field(default_factory=Backoff)
    health: Path | None = None
    """The socket at which it is told whether this worker works."""
    egress: EgressOptions = field(default_factory=EgressOptions)
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    """Videos that are fetched and have more are refused; the gateways' must be the same."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(f"--name is made of up to 100 letters, digits, '.', '_' and '-', not {self.name!r}")
        if not self.models:
            raise ConfigurationError("--model: a worker offers at least one")
        names = [model.name for model in self.models]
        if len(set(names)) < len(names):
            raise ConfigurationError(f"--model: each name once, not {', '.join(names)}")
        if not 1 <= self.detectors <= 256:
            raise ConfigurationError(f"--detectors is from 1 to 256, not {self.detectors}")
        if not 0 <= self.drain_s <= 3600:
            raise ConfigurationError(f"--drain is from 0 to 3600 seconds, not {self.drain_s:g}")
        if self.max_pixels < 1:
            raise ConfigurationError(f"--max-pixels is positive, not {self.max_pixels}")
        if self.log_format not in ("text", "json"):
            raise ConfigurationError(f"--log-format is text or json, not {self.log_format!r}")
        check_address("--metrics", self.metrics)
        if not _NAME.fullmatch(self.installation):
            raise ConfigurationError(f"--installation is spelled as --name is, not {self.installation!r}")
        if self.max_queue_length < 1:
            raise ConfigurationError(f"--max-queue-length is positive, not {self.max_queue_length}")
        if self.lookback_s <= 0:
            raise ConfigurationError(f"--lookback is positive, not {self.lookback_s:g}")
        if self.max_upload_bytes < 1:
            raise ConfigurationError(f"--max-upload is positive, not {self.max_upload_bytes}")


def read_config(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> Config:
    """Read flags, and the environment (MYEYE_…) where a flag is not given; `folder` is where data is by default.

    Raises:
        ConfigurationError: something is not understood or out of range.
    """
    given = _parser(environment, folder).parse_args(arguments)
    return Config(
        broker=given.broker,
        blobs=given.blobs,
        models_folder=given.models.expanduser(),
        name=given.name,
        models=tuple(map(ModelChoice.parse, given.model or _listed(environment.get("MYEYE_MODEL") or DEFAULT_MODEL))),
        detectors=given.detectors,
        drain_s=given.drain,
        max_pixels=given.max_pixels,
        log_format=given.log_format,
        tracing=tracing_wanted(environment),
        metrics=given.metrics,
        installation=given.installation,
        max_queue_length=given.max_queue_length,
        lookback_s=given.lookback,
        backoff=Backoff(base_s=given.retry_delay, cap_s=given.retry_delay_cap),
        health=Path(given.health) if given.health else None,
        egress=EgressOptions.parse(fetch_from=given.fetch_from, internal_networks=given.internal_networks, ca=given.egress_ca),
        max_upload_bytes=given.max_upload,
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(message)


def _parser(environment: Mapping[str, str], folder: Path) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m worker",
        description="Takes pictures from the queue and finds what is in them. MYEYE_… variables stand in for flags.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )

    def flag(name: str, variable: str, default: str, **how: Any) -> None:
        # a default that is text is converted and checked as if it had been given
        parser.add_argument(name, default=environment.get(f"MYEYE_{variable}") or default, **how)

    flag("--broker", "BROKER", f"embedded://{folder}/broker", metavar="URL", help="amqp://…, amqps://… or embedded:///folder")
    flag("--blobs", "BLOBS", f"file://{folder}/blobs", metavar="URL", help="file:///folder or s3://bucket/prefix")
    parser.add_argument(
        "--model",
        action="append",
        metavar="NAME[=PATH]",
        help="a model to offer, with a file of your own after '=', or after '=litert:' for LiteRT; may be repeated "
        f"(MYEYE_MODEL with commas; {DEFAULT_MODEL})",
    )
    flag("--models", "MODELS", "~/.cache/myeye/models", type=Path, metavar="FOLDER", help="where model files are kept")
    flag("--detectors", "DETECTORS", str(_usable_cores()), type=int, metavar="N", help="detector processes of each model")
    flag("--max-pixels", "MAX_PIXELS", str(MAX_PIXELS), type=int, metavar="N", help="refuse pictures with more pixels")
    flag("--drain", "DRAIN", "30", type=float, metavar="SECONDS", help="time for running items when told to stop")
    flag("--retry-delay", "RETRY_DELAY", "1", type=float, metavar="SECONDS", help="before the second attempt; then doubled")
    flag("--retry-delay-cap", "RETRY_DELAY_CAP", "30", type=float, metavar="SECONDS", help="the longest delay of an attempt")
    flag("--lookback", "LOOKBACK", "3600", type=float, metavar="SECONDS", help="how much of the event log to read at start")
    flag("--max-queue-length", "MAX_QUEUE_LENGTH", "100000", type=int, metavar="N", help="as the gateways have it")
    flag("--installation", "INSTALLATION", "myeye", metavar="NAME", help="names on the broker begin with it, as the gateways'")
    flag("--name", "WORKER_NAME", f"{socket.gethostname()}-{os.getpid()}", help="the worker's name, as jobs show it")
    flag("--health", "HEALTH", "", metavar="SOCKET", help="where `python -m dispatch.probe` asks; none without")
    flag(
        "--fetch-from", "FETCH_FROM", "", metavar="LIST", help="what to fetch for others: https://host[:port], s3://bucket/prefix"
    )
    flag(
        "--internal-networks", "INTERNAL_NETWORKS", "", metavar="LIST", help="networks of your own to fetch from, as 10.20.0.0/16"
    )
    flag("--egress-ca", "EGRESS_CA", "", metavar="FILE", help="certificates to trust beside the system's")
    flag(
        "--max-upload", "MAX_UPLOAD", str(MAX_UPLOAD_BYTES), type=int, metavar="BYTES", help="of a fetched video, as the gateways"
    )
    flag("--log-format", "LOG_FORMAT", "text", metavar="text|json", help="how log lines are written")
    flag("--metrics", "METRICS", "", metavar="HOST:PORT", help="where Prometheus may fetch metrics; nowhere if not given")
    return parser


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
