"""What a process tells Prometheus, fetched as Prometheus does."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Sample:
    """A value with its labels."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Scrape:
    """All samples of one moment, by their names."""

    samples: Mapping[str, list[Sample]]

    def sum(self, name: str, **labels: str) -> float:
        """Add up the samples that have these labels; none is 0."""
        found = self.samples.get(name, [])
        return sum(sample.value for sample in found if labels.items() <= sample.labels.items())


def scrape(address: str) -> Scrape:
    """Fetch /metrics from HOST:PORT."""
    connection = http.client.HTTPConnection(address, timeout=LIMIT_S)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        body = answer.read().decode()
        if answer.status != 200:
            raise ValueError(f"{address} answers {answer.status}: {body}")
    finally:
        connection.close()
    samples: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(body):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append(Sample(sample.labels, sample.value))
    return Scrape(samples)
