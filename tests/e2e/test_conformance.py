"""Some clients play the conformance scenario; `make conformance` has those of all languages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.conformance.clients import CHROMIUM, DIRECT, EDGE, NODE, NODE_WEB, NODE_WEB_2, PYTHON, Client
from harness.conformance.play import play, play_example, wanted
from harness.conformance.site import LINES, PAGE, Targets, conformance_site

FIRST_CLIENT = Path(__file__).with_name("first_client.py")
CLIENTS = (PYTHON, NODE, CHROMIUM, NODE_WEB, NODE_WEB_2)


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Targets]]:
    """Where an installation is reached, by route. Its page is the browser's client."""
    CHROMIUM.build()
    with conformance_site(tmp_path_factory.mktemp("conformance") / "mesh", page=PAGE) as site:
        yield {DIRECT: site.direct, EDGE: site.edge}


@pytest.mark.parametrize(
    ("client", "route"), [pytest.param(each, route, id=f"{each.name}-{route}") for each in CLIENTS for route in each.routes]
)
@pytest.mark.timeout(400)  # packages are fetched and code is compiled, once
def test_a_client_tells_what_all_tell(client: Client, route: str, targets: dict[str, Targets], tmp_path: Path):
    client.build()
    played = play(client.conformance, targets[route], client.run_name(route), tmp_path)
    assert played.lines == wanted(LINES), played.said
    assert played.status == 0, played.said


@pytest.mark.parametrize("route", [DIRECT, EDGE])
def test_a_client_of_the_first_v1_is_told_what_it_always_was(route: str, targets: dict[str, Targets], tmp_path: Path):
    """It lacks what came later: the health is not in its contract, and there were neither uploads nor tokens."""
    played = play((sys.executable, str(FIRST_CLIENT)), targets[route], f"first-{route}", tmp_path)
    known = [line for line in wanted(LINES) if line["step"] not in {"health", "upload", "download", "token"}]
    for line in known:
        if line["step"] == "list":
            line.update(pages=[2, 2, 1], steps=[step for step in line["steps"] if step != "upload"])
    assert played.lines == known, played.said
    assert played.status == 0, played.said


@pytest.mark.parametrize("client", [PYTHON, NODE, CHROMIUM], ids=lambda client: client.name)
@pytest.mark.timeout(400)
def test_an_example_finds_what_is_in_the_picture(client: Client, targets: dict[str, Targets]):
    client.build()
    played = play_example(client.example, targets[client.routes[0]])
    assert played.status == 0, played.said
    assert "grace_hopper.jpg: person" in played.said
    assert "SUCCEEDED" in played.said
