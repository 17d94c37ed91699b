"""Whether spans are sent is the environment's to say; without its word not even the libraries are loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dispatch.trace import current, enter, trace_id, valid
from edge.errors import ConfigurationError
from edge.tracing import read_collector
from gateway.config import read_config
from telemetry.tracing import Kind, SilentTracer, tracing_wanted
from worker.sandbox import environment

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, False),
        ({ENDPOINT: ""}, False),
        ({ENDPOINT: "http://127.0.0.1:4317"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4317"}, True),
        ({ENDPOINT: "http://127.0.0.1:4317", "OTEL_SDK_DISABLED": "true"}, False),
        ({ENDPOINT: "http://127.0.0.1:4317", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_spans_are_sent_by_all_processes_or_none_as_the_environment_says(given, wanted: bool, tmp_path: Path) -> None:
    assert tracing_wanted(given) is wanted
    assert read_config([], given, tmp_path).tracing is wanted
    assert (read_collector(given) is not None) is wanted


@pytest.mark.parametrize("url", ["127.0.0.1:4317", "grpc://127.0.0.1:4317", "http://", "http://127.0.0.1:x"])
def test_the_edge_refuses_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigurationError, match=ENDPOINT):
        read_collector({ENDPOINT: url})


def test_without_an_address_opentelemetry_is_not_even_loaded() -> None:
    code = "import sys, gateway.server, worker.runner, myeye; sys.exit('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_detector_processes_hear_nothing_of_where_spans_are_sent() -> None:
    given = {**os.environ, ENDPOINT: "http://127.0.0.1:4317", "OTEL_SERVICE_NAME": "x"}
    assert not [name for name in environment(given, max_pixels=1) if name.startswith("OTEL")]


def test_where_nobody_listens_what_comes_next_belongs_to_the_callers_span() -> None:
    with SilentTracer().span("anything", Kind.SERVER, PARENT, {}) as span:
        assert span.traceparent == PARENT


@pytest.mark.parametrize(
    "text",
    [
        "",
        PARENT.upper(),
        PARENT[:-1],
        f"{PARENT}-more",
        PARENT.replace("00-", "ff-", 1),
        "00-" + "0" * 32 + PARENT[35:],
        PARENT[:36] + "0" * 16 + "-01",
        PARENT + "\n",
    ],
)
def test_what_is_no_traceparent_is_ignored(text: str) -> None:
    assert valid(text) == ""


def test_a_traceparent_is_passed_on_as_it_is_and_names_its_trace() -> None:
    assert valid(PARENT) == PARENT
    assert trace_id(PARENT) == "0af7651916cd43dd8448eb211c80319c"
    enter(PARENT)
    assert current() == PARENT
    enter("")
