"""The metrics of one process, and what every process tells of itself."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, disable_created_metrics
from prometheus_client.core import InfoMetricFamily
from prometheus_client.registry import Collector

PACKAGE = "myeye-server"


def new_registry(program: str) -> CollectorRegistry:
    """Make a registry that tells of the process, of Python, and which version of which program runs."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # twice as much to keep, and nobody asks when a counter was made
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(_Build(program))
    return registry


class _Build(Collector):
    def __init__(self, program: str) -> None:
        self._info = {"program": program, "version": installed_version()}

    def collect(self) -> list[InfoMetricFamily]:
        return [InfoMetricFamily("myeye_build", "The program and its version.", value=self._info)]


def installed_version() -> str:
    """Give the version of the package, "unknown" where the files were copied without it."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "unknown"
