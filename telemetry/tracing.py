"""The port to tracing: spans, and nobody who hears of them unless an address for them is set.

`open_tracer` gives a tracer that sends spans by OTLP. Where nobody asked for one its libraries are not even imported.
The standard's own variables configure it: OTEL_EXPORTER_OTLP_ENDPOINT switches it on, and all its others are heard.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import TracebackType
from typing import Protocol, Self

from dispatch.errors import ConfigurationError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

Attributes = Mapping[str, str | int | float]


class Kind(Enum):
    """What a span is of: a call answered, a message sent or taken, something asked of another service, or work of one's own."""

    SERVER = "server"
    PRODUCER = "producer"
    CONSUMER = "consumer"
    CLIENT = "client"
    INTERNAL = "internal"


class Span(Protocol):
    """Something that takes time, from its making until its context is left; an exception that leaves it is told."""

    @property
    def traceparent(self) -> str:
        """Name it, for what belongs to it."""

    def set(self, **attributes: str | int | float) -> None:
        """Tell more of it; a dot in a name is written "__"."""

    def fail(self, why: str) -> None:
        """Tell that it went wrong."""

    def link(self, traceparent: str) -> None:
        """Tell that it has to do with another span, perhaps of another trace."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class Tracer(Protocol):
    """Makes spans."""

    @property
    def on(self) -> bool:
        """Whether anybody hears of them."""

    def span(self, name: str, kind: Kind, parent: str, attributes: Attributes) -> Span:
        """Begin one; `parent` is the traceparent of the span that it belongs to, empty for the first of a trace."""

    def past(self, name: str, parent: str, begun_ns: int, ended_ns: int, attributes: Attributes) -> None:
        """Tell of one that is over; the times are in nanoseconds since 1970."""

    async def close(self) -> None:
        """Send what was not sent yet, if that goes quickly."""


class _SilentSpan:
    """Stands for its parent: what would belong to it belongs to that."""

    __slots__ = ("traceparent",)

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent

    def set(self, **attributes: str | int | float) -> None: ...

    def fail(self, why: str) -> None: ...

    def link(self, traceparent: str) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class SilentTracer:
    """A Tracer that nobody hears of."""

    on = False

    def span(self, name: str, kind: Kind, parent: str, attributes: Attributes) -> Span:  # noqa: ARG002 - nobody hears of them
        return _SilentSpan(parent)

    def past(self, name: str, parent: str, begun_ns: int, ended_ns: int, attributes: Attributes) -> None: ...

    async def close(self) -> None: ...


def tracing_wanted(environment: Mapping[str, str]) -> bool:
    """Tell whether spans are to be sent: whether there is an address for them, and nobody has switched it off."""
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none"
    return any(environment.get(name) for name in ENDPOINTS) and not disabled


def open_tracer(program: str, instance: str) -> Tracer:
    """Give the tracer that OpenTelemetry's variables configure; `instance` tells one process of a program from the others.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        from telemetry.otlp import OtlpTracer
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{ENDPOINTS[1]} is set, but OpenTelemetry is not installed: pip install 'myeye-server[tracing]'"
        ) from error
    return OtlpTracer(program, instance)
