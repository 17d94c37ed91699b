"""The names of metrics, where they are made, told and used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MAKERS = [ROOT / "gateway" / "metrics.py", ROOT / "worker" / "metrics.py", *(ROOT / "telemetry").glob("*.py")]
USERS = ["deploy/prometheus/alerts.yml", "deploy/prometheus/alerts.test.yml", "deploy/grafana/dashboards/myeye.json"]


def names(path: Path, pattern: str) -> set[str]:
    """Find names, without what the kind of a metric adds to them."""
    return {re.sub(r"_(total|info|bucket|count|sum)$", "", name) for name in re.findall(pattern, path.read_text())}


@pytest.fixture(scope="module")
def made() -> set[str]:
    return set().union(*(names(path, r'"(myeye_[a-z_]+)"') for path in MAKERS))


def test_every_metric_is_told_of_in_the_documentation(made: set[str]) -> None:
    assert names(ROOT / "docs" / "metrics.md", r"`(myeye_[a-z_]+)") == made


@pytest.mark.parametrize("user", USERS)
def test_alerts_and_dashboard_ask_for_metrics_that_there_are(made: set[str], user: str) -> None:
    asked = names(ROOT / user, r"\b(myeye_[a-z_]+)")
    assert asked
    assert asked <= made


def test_every_alert_is_told_of_in_the_documentation() -> None:
    alerts = re.findall(r"alert: (\w+)", (ROOT / "deploy/prometheus/alerts.yml").read_text())
    told = re.findall(r"^\| `(Myeye\w+)`", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE)
    assert told == alerts
