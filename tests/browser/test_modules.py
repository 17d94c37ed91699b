"""The pure modules of the page, run where they will run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.desk import Desk

FOLD = """async ([name, events]) => {
    const {apply, begin} = await import('/fold.js');
    const accepted = {state: 'STATE_QUEUED', items: [{name, state: 'STATE_QUEUED'}], progress: {items_total: 1}, queue: {}};
    const once = events.reduce((view, event) => apply(view, {event}), begin(accepted));
    return JSON.parse(JSON.stringify(events.reduce((view, event) => apply(view, {event}), once).job));
}"""
SAY = """async (calls) => {
    const words = await import('/words.js');
    return calls.map(([name, ...values]) => words[name](...values));
}"""


def without(told: dict[str, Any], *fields: str) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in fields}


@pytest.mark.parametrize("name", ["photo.jpg", "broken.jpg", "walk.webm"])
def test_what_the_page_makes_of_a_history_is_what_the_service_tells(
    desk: Desk, grace_hopper: Path, video_at: Callable[..., Path], tmp_path: Path, name: str
):
    file = tmp_path / name
    if name == "walk.webm":
        video_at(file, codec="VP80")
    else:
        file.write_bytes(grace_hopper.read_bytes() if name == "photo.jpg" else b"\xff\xd8\xff" + bytes(1000))
    desk.choose(file)
    card = desk.wait_for(name, "Failed" if name == "broken.jpg" else "Done")
    told = desk.job(card)
    events = [line["event"] for line in desk.lines(f"/v1/jobs/{told['id']}:watch?after_sequence=0") if "event" in line]
    made = desk.page.evaluate(FOLD, [name, events])
    only_told = ("id", "model", "options", "priority", "create_time", "expire_time", "attempt", "last_sequence", "annotate")
    assert without(made, "last_sequence") == without(told, *only_told)


def test_sizes_and_times_are_said_as_people_say_them(desk: Desk):
    said = {
        ("bytes", 999): "999 bytes",
        ("bytes", 1500): "1.5 KB",
        ("bytes", 64_000_000): "64 MB",
        ("bytes", 2_147_483_648): "2.1 GB",
        ("lasting", 0.0002): "1 ms",
        ("lasting", 0.064): "64 ms",
        ("lasting", 0.0997): "0.1 s",
        ("lasting", 9.949): "9.9 s",
        ("lasting", 89): "89 s",
        ("lasting", 600): "10 min",
        ("lasting", 7200): "2 h",
        ("clock", 0): "0:00",
        ("clock", 3.42): "0:03.4",
        ("clock", 59.97): "1:00",
        ("clock", 125): "2:05",
        ("percent", 0.976): "98 %",
    }
    assert desk.page.evaluate(SAY, [list(call) for call in said]) == list(said.values())
