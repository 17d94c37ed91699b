"""Results become pictures."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from bench.plot import main

COLUMNS = ("", "per s", "rate, ratio", "CPU ms a job", "CPU, ratio", "client + gateway + broker + workers", "foreign CPU")
TITLES = (
    "No-op jobs, 32 clients, 2 workers, 1,000 bytes, one session for all",
    "No-op jobs, 32 clients, 2 workers, 1,000 bytes, peers",
    "Detect, 2 detector process(es), 12 megapixels, 1,234 bytes, 8 clients",
    "Submit, one client, 1,000 bytes",
)


def _results(*titles: str) -> str:
    rows = [[name, 100.0, 1.0, 3.0, 1.0, "1 + 1 + 1 + 0", "2%"] for name in ("raw stack", "myeye, rabbitmq", "B & C <fast>")]
    tables = [{"title": title, "columns": COLUMNS, "rows": rows} for title in titles]
    return json.dumps(
        {"begun": "2026-11-24T20:00:00", "machine": {"cores": 2}, "plan": {"rounds": 3, "quick": False}, "tables": tables}
    )


def test_every_row_of_what_is_drawn_is_a_bar(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(_results(*TITLES))
    assert main([str(tmp_path / "run.json"), "--into", str(tmp_path)]) == 0
    for name, groups in (("bench-jobs.svg", 2), ("bench-detect.svg", 1)):
        drawn = ElementTree.fromstring((tmp_path / name).read_text())
        bars = [rect for rect in drawn.iter("{http://www.w3.org/2000/svg}rect") if rect.get("x")]
        texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
        assert len(bars) == 3 * groups
        assert "B & C <fast>" in texts


def test_what_was_not_measured_is_not_drawn(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(_results(TITLES[3]))
    assert main([str(tmp_path / "run.json"), "--into", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
