"""A short run on each broker, with a seed that stays; `make torture` runs longer ones, with others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.report import lines
from tests.torture.run import torture

DURATION_S = 14.0


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("nodes", "seed"), [(0, 9154), (1, 14118)], ids=["embedded", "rabbitmq"])
async def test_what_is_promised_holds_while_everything_breaks(tmp_path: Path, nodes: int, seed: int):
    """These seeds draw many kinds: every process and everything at once killed, on RabbitMQ its node and the links to it."""
    verdict = await torture(tmp_path / "site", seed=seed, duration_s=DURATION_S, nodes=nodes, dense=True)
    report = "\n".join(lines(verdict))
    assert not verdict.breaches, report
    assert verdict.accepted > 10, report
    assert len(verdict.inflicted) > 6, report
    assert not verdict.missed, report
