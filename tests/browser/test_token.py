"""The page of a service that asks who one is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from gateway.identity.principal import Principal
from gateway.identity.token_file import TokenEntry, hash_of
from harness.mesh import Mesh
from tests.browser.desk import Desk

LIMIT_MS = 60_000
TOKEN = "myeye_a-token-of-the-tests"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "tokens").write_text(TokenEntry(Principal("ann"), hash_of(TOKEN), None).line())
    flags = ("--tokens", str(folder / "tokens"))
    with Mesh(folder / "mesh", edge=True, edge_flags=("--require-token",), gateway_flags=flags) as mesh:
        yield mesh


def test_a_token_is_asked_for_and_everything_works_with_it(
    guarded: Mesh, desk_at: Callable[..., Desk], grace_hopper: Path, tmp_path: Path
):
    desk = desk_at(guarded)
    access, field = desk.page.locator("#access"), desk.page.get_by_label("Token", exact=True)
    expect(access).to_contain_text("asks who you are")
    expect(desk.page.locator("#service")).to_have_text("A token is needed")
    for token, outcome in (("wrong", "does not know this token"), (TOKEN, "")):
        field.fill(token)
        desk.page.get_by_role("button", name="Use this token").click()
        if outcome:
            expect(access).to_contain_text(outcome)
    expect(desk.page.locator("#service")).to_have_text("1 worker ready")
    expect(access).to_be_hidden()
    desk.choose(grace_hopper)
    desk.wait_for("grace_hopper.jpg", "Done")
    desk.page.reload()
    card = desk.wait_for("grace_hopper.jpg", "Done")
    image = card.locator(".figure img")
    expect(image).to_have_js_property("naturalWidth", 512, timeout=LIMIT_MS)
    assert str(image.get_attribute("src")).startswith("blob:"), "a picture's address cannot bring a token"
    assert TOKEN not in desk.page.content()
    assert TOKEN not in desk.page.url
