"""The picture in the docs is the table in the code."""

from __future__ import annotations

import re
from pathlib import Path

from dispatch.lifecycle import TRANSITIONS

PICTURE = Path(__file__).parents[3] / "docs/lifecycle.md"


def test_the_picture_of_the_life_cycle_is_the_table():
    drawn = set(re.findall(r"^    (\w+) --> (\w+): (.+)$", PICTURE.read_text(), re.MULTILINE))
    table = {(state.name, after.name, str(move)) for state, row in TRANSITIONS.items() for move, after in row.items()}
    assert drawn == table


def test_the_picture_ends_where_the_table_does():
    ends = set(re.findall(r"^    (\w+) --> \[\*\]$", PICTURE.read_text(), re.MULTILINE))
    assert ends == {state.name for state, row in TRANSITIONS.items() if not row}
