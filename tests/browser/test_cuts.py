"""What the page does while the service is away."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Route, expect

from harness.mesh import Mesh
from tests.browser.desk import Desk


def test_a_gateway_restarted_under_an_open_page_is_told_and_the_job_ends(desk: Desk, mesh: Mesh, grace_hopper: Path):
    mesh.workers[0].stop()
    try:
        desk.choose(grace_hopper)
        desk.wait_for("grace_hopper.jpg", "Queued")
        mesh.gateways[0].kill()
        banner = desk.page.locator("#connection")
        expect(banner).to_contain_text("does not answer. Trying again")
        with desk.page.expect_request("**/v1/**"):
            banner.get_by_role("button", name="Try now").click()
    finally:
        mesh.start()
    desk.wait_for("grace_hopper.jpg", "Done")
    expect(banner).to_be_hidden()


def test_a_picture_handed_in_while_the_service_is_away_is_sent_when_it_is_back(desk: Desk, mesh: Mesh, grace_hopper: Path):
    mesh.gateways[0].kill()
    try:
        desk.choose(grace_hopper)
        card = desk.card("grace_hopper.jpg")
        expect(card.locator(".notice")).to_contain_text("It will be sent again")
    finally:
        mesh.start()
    desk.wait_for("grace_hopper.jpg", "Done")


def test_an_upload_whose_answer_was_lost_is_repeated_and_makes_one_job(desk: Desk, grace_hopper: Path):
    asked = []
    network = desk.page.context.new_cdp_session(desk.page)

    def lose(answer: dict[str, Any]) -> None:
        asked.append(answer["request"]["url"])
        whole = {"requestId": answer["requestId"]}
        if len(asked) == 1:
            network.send("Fetch.failRequest", {**whole, "errorReason": "ConnectionReset"})
        else:
            network.send("Fetch.continueRequest", whole)

    network.on("Fetch.requestPaused", lose)
    network.send("Fetch.enable", {"patterns": [{"urlPattern": "*/v1/images?*", "requestStage": "Response"}]})
    before = len(desk.get("/v1/jobs").get("jobs", []))
    desk.choose(grace_hopper)
    expect(desk.card("grace_hopper.jpg").locator(".notice")).to_contain_text("It will be sent again")
    desk.page.evaluate(
        "document.dispatchEvent(new Event('visibilitychange'))"
    )  # the list tells of the job before its receipt does
    job = desk.wait_for("grace_hopper.jpg", "Done").get_attribute("data-job")
    expect(desk.page.locator(f'[data-job="{job}"]')).to_have_count(1)
    assert len(asked) == 2
    assert asked[0] == asked[1]
    assert len(desk.get("/v1/jobs")["jobs"]) == before + 1


def test_a_large_picture_goes_in_pieces_and_a_cut_repeats_only_the_last(desk: Desk, tmp_path: Path):
    large = tmp_path / "large.png"
    Image.frombytes("RGB", (2600, 2200), random.Random(1).randbytes(2600 * 2200 * 3)).save(large, compress_level=0)
    offsets = []

    def cut(route: Route) -> None:
        offsets.append(int(route.request.url.rpartition("offset=")[2]))
        if len(offsets) == 2:
            route.abort()
        else:
            route.continue_()

    desk.page.route("**/v1/uploads/*?*", cut)
    desk.choose(large)
    card = desk.wait_for("large.png", "Done")
    piece = 8 * 1024 * 1024
    assert offsets == [0, piece, piece, 2 * piece]
    assert desk.job(card)["items"][0]["result"]["width_px"] == 2600


def test_a_page_that_is_opened_while_the_service_is_away_fills_when_it_is_back(desk: Desk, mesh: Mesh, grace_hopper: Path):
    desk.choose(grace_hopper)
    job = desk.wait_for("grace_hopper.jpg", "Done").get_attribute("data-job")
    mesh.gateways[0].kill()
    try:
        desk.open()
        expect(desk.page.locator("#connection")).to_contain_text("does not answer")
        expect(desk.page.locator("#service")).to_have_text("Not connected")
    finally:
        mesh.start()
    expect(desk.page.locator(f'[data-job="{job}"] .badge')).to_have_text("Done", timeout=30_000)
    expect(desk.page.locator("#service")).to_contain_text("ready", timeout=30_000)
