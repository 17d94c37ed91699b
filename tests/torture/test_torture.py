"""A short run with a seed that stays; `make torture` runs longer ones, with others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.report import lines
from tests.torture.run import torture

SEED = 4
DURATION_S = 25.0


@pytest.mark.timeout(400)
@pytest.mark.parametrize("nodes", [0, 1], ids=["embedded", "rabbitmq"])
async def test_what_is_promised_holds_while_everything_breaks(tmp_path: Path, nodes: int):
    verdict = await torture(tmp_path / "site", seed=SEED, duration_s=DURATION_S, nodes=nodes)
    report = "\n".join(lines(verdict))
    assert not verdict.breaches, report
    assert verdict.accepted > 20, report
    assert len(verdict.inflicted) > 3, report
