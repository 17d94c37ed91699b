"""Keyboard, small screens, dark rooms, other sites."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Page, expect

from harness.mesh import Mesh
from tests.browser.desk import Desk, overflow_px


def press_until(page: Page, key: str, selector: str) -> None:
    """Press a key until something has the focus."""
    for _ in range(40):
        if page.evaluate("(selector) => document.activeElement?.matches(selector)", selector):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{selector} was not reached with {key}")


def test_all_of_it_can_be_done_with_the_keyboard(desk: Desk, grace_hopper: Path):
    page = desk.page
    with page.expect_file_chooser() as choosing:
        press_until(page, "Tab", "#choose")
        page.keyboard.press("Enter")
    choosing.value.set_files(str(grace_hopper))
    card = desk.wait_for("grace_hopper.jpg", "Done")
    job = card.get_attribute("data-job")
    own = f'[data-job="{job}"]'
    press_until(page, "Tab", f"{own} .toggle")
    page.keyboard.press("Space")
    expect(card.locator(".body")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(card.locator(".body")).to_be_visible()
    press_until(page, "Tab", f"{own} input[type=range]")
    page.keyboard.press("End")
    expect(card.locator(".body .box:visible")).to_have_count(0)
    page.keyboard.press("Home")
    press_until(page, "Tab", f"{own} tbody button")
    expect(card.locator(".box.lit")).to_have_count(1)
    press_until(page, "Tab", f"{own} .quiet")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator(own)).to_have_count(0)
    assert page.evaluate("document.activeElement !== document.body"), "the focus is not lost with the card"


def test_nothing_is_wider_than_a_phone(desk_at: Callable[..., Desk], mesh: Mesh, grace_hopper: Path, tmp_path: Path):
    desk = desk_at(mesh, width=360, height=740)
    name = f"{'a-very-long-name-' * 8}.jpg"
    (tmp_path / name).write_bytes(grace_hopper.read_bytes())
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff" + bytes(1000))
    desk.choose(tmp_path / name, tmp_path / "broken.jpg")
    desk.wait_for("broken.jpg", "Failed")
    card = desk.wait_for(name, "Done")
    expect(card.locator(".body .box").first).to_be_visible()
    assert overflow_px(desk.page) == 0
    card.locator("summary").click()
    desk.page.locator(".options summary").click()
    assert overflow_px(desk.page) == 0


def test_it_is_dark_where_the_room_is(desk_at: Callable[..., Desk], mesh: Mesh, grace_hopper: Path):
    desk = desk_at(mesh, scheme="dark")
    desk.choose(grace_hopper)
    desk.wait_for("grace_hopper.jpg", "Done")
    colours = desk.page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    ground, ink = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
    assert ground < 100
    assert ink > 600
    desk.shot("page-dark")


@pytest.mark.parametrize("path", ["/", "/app.js", "/style/base.css", "/favicon.svg"])
def test_a_file_that_a_browser_has_is_not_sent_again(mesh: Mesh, path: str):
    address = f"http://{mesh.edge_target}{path}"
    with urlopen(address, timeout=30) as answer:
        etag, policy = answer.headers["etag"], answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    with pytest.raises(HTTPError) as again:
        urlopen(Request(address, headers={"if-none-match": f'"other", {etag}'}), timeout=30)
    assert again.value.code == 304
    assert again.value.read() == b""


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/images?name=x"), ("GET", "/v1/jobs"), ("DELETE", "/v1/jobs/any")])
def test_pages_of_other_sites_can_do_nothing(mesh: Mesh, method: str, path: str):
    request = Request(
        f"http://{mesh.edge_target}{path}",
        method=method,
        headers={"sec-fetch-site": "cross-site"},
        data=b"x" if method == "POST" else None,
    )
    with pytest.raises(HTTPError) as refused:
        urlopen(request, timeout=30)
    assert refused.value.code == 403
    assert b"CROSS_SITE_REQUEST" in refused.value.read()


def test_a_phone_shows_the_picture_first_and_what_was_found_below(desk_at: Callable[..., Desk], mesh: Mesh, grace_hopper: Path):
    desk = desk_at(mesh, width=390, height=844, scheme="dark")
    desk.choose(grace_hopper)
    card = desk.wait_for("grace_hopper.jpg", "Done")
    picture, slider = card.locator(".body .stage").bounding_box(), card.get_by_role("slider").bounding_box()
    assert picture is not None
    assert slider is not None
    assert picture["y"] + picture["height"] <= slider["y"]
    assert picture["width"] > 300
    card.scroll_into_view_if_needed()
    desk.page.evaluate("(top) => scrollTo(0, top)", picture["y"] - 120)
    desk.shot("page-phone")


def test_a_script_that_is_handed_in_as_a_picture_stays_bytes_for_a_browser(mesh: Mesh):
    address = f"http://{mesh.edge_target}"
    with urlopen(f"{address}/v1/images?name=page.html", data=b"<script>alert(1)</script>", timeout=30) as answer:
        job_id = json.load(answer)["job"]["id"]
    with urlopen(f"{address}/v1/jobs/{job_id}/items/0/input", timeout=30) as answer:
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["x-content-type-options"] == "nosniff"
