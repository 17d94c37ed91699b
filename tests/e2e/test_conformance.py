"""Clients of two languages play the conformance scenario; `make conformance` has them all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.conformance.clients import DIRECT, EDGE, NODE, PYTHON, Client
from harness.conformance.play import play, play_example, wanted
from harness.conformance.site import LINES, conformance_mesh


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where an installation is reached, by route."""
    with conformance_mesh(tmp_path_factory.mktemp("conformance") / "mesh") as mesh:
        yield {DIRECT: mesh.target, EDGE: mesh.edge_target}


@pytest.mark.parametrize("route", [DIRECT, EDGE])
@pytest.mark.parametrize("client", [PYTHON, NODE], ids=lambda client: client.name)
@pytest.mark.timeout(300)  # Node's packages are fetched and its code is compiled
def test_a_client_tells_what_all_tell(client: Client, route: str, targets: dict[str, str], tmp_path: Path):
    client.build()
    played = play(client.conformance, targets[route], f"{client.name}-{route}", tmp_path)
    assert played.lines == wanted(LINES), played.said
    assert played.status == 0, played.said


@pytest.mark.parametrize("client", [PYTHON, NODE], ids=lambda client: client.name)
@pytest.mark.timeout(300)
def test_an_example_finds_what_is_in_the_picture(client: Client, targets: dict[str, str]):
    client.build()
    played = play_example(client.example, targets[DIRECT])
    assert played.status == 0, played.said
    assert "grace_hopper.jpg: person" in played.said
    assert "SUCCEEDED" in played.said
