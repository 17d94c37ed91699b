"""The list of jobs: it survives a reload, and what goes wrong is told in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from harness.mesh import Mesh
from myeye import Client
from tests.browser.desk import Desk


def test_a_reload_keeps_the_list_and_opens_what_was_open(desk: Desk, grace_hopper: Path):
    desk.choose(grace_hopper)
    before = desk.wait_for("grace_hopper.jpg", "Done").get_attribute("data-job")
    desk.page.reload()
    card = desk.page.locator(f'.card[data-job="{before}"]')
    expect(card.locator(".badge")).to_have_text("Done")
    expect(card.locator(".body .box:visible")).to_have_count(2)
    expect(card.locator(".body .stage img")).to_have_js_property("naturalWidth", 512)


def test_a_queued_job_says_why_it_waits_and_can_be_cancelled_and_run_again(
    desk_at: Callable[..., Desk], idle_mesh: Mesh, grace_hopper: Path
):
    desk = desk_at(idle_mesh)
    expect(desk.page.locator("#service")).to_contain_text("No worker")
    desk.choose(grace_hopper)
    card = desk.wait_for("grace_hopper.jpg", "Queued")
    expect(card.locator(".line-text")).to_contain_text("no worker with this model is alive")
    desk.choose(grace_hopper)
    expect(desk.card("grace_hopper.jpg").locator(".line-text")).to_contain_text("1 before it")
    desk.card("grace_hopper.jpg").get_by_role("button", name="Cancel").click()
    card = desk.wait_for("grace_hopper.jpg", "Cancelled")
    first = desk.job(card)
    assert first["state"] == "STATE_CANCELLED"
    card.get_by_role("button", name="Run again").click()
    expect(desk.page.locator(".card")).to_have_count(3)
    again = desk.job(desk.wait_for("grace_hopper.jpg", "Queued"))
    assert again["retry_of"] == first["id"]
    desk.page.reload()
    expect(desk.page.locator(".badge")).to_have_text(["Queued", "Cancelled", "Queued"])


def test_a_job_is_removed_only_after_a_second_press(desk: Desk, grace_hopper: Path):
    desk.choose(grace_hopper)
    card = desk.wait_for("grace_hopper.jpg", "Done")
    job, count = card.get_attribute("data-job"), desk.page.locator(".card").count()
    card.get_by_role("button", name="Remove").click()
    expect(desk.page.locator(".card")).to_have_count(count)
    card.get_by_role("button", name="Really remove it?").click()
    expect(desk.page.locator(f'[data-job="{job}"]')).to_have_count(0)
    assert job not in {each["id"] for each in desk.get("/v1/jobs")["jobs"]}


def test_a_damaged_picture_fails_in_words(desk: Desk, tmp_path: Path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff" + bytes(1000))
    desk.choose(tmp_path / "broken.jpg")
    card = desk.wait_for("broken.jpg", "Failed")
    expect(card.locator(".line-text")).to_have_text("This is not a picture that can be read, or it is damaged.")
    expect(card.locator(".failure")).to_contain_text("IMAGE_INVALID")
    expect(card.get_by_role("button", name="Run again")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [("empty.png", b"", "The file is empty."), ("notes.txt", b"hello", "This is neither a picture nor a video.")],
)
def test_what_cannot_be_looked_at_is_not_sent(desk: Desk, tmp_path: Path, name: str, content: bytes, told: str):
    (tmp_path / name).write_bytes(content)
    desk.drop(tmp_path / name)
    card = desk.wait_for(name, "Not sent")
    expect(card.locator(".line-text")).to_have_text(told)
    assert card.get_attribute("data-job") is None
    card.get_by_role("button", name="Dismiss").click()
    expect(card).to_have_count(0)


def test_a_picture_above_the_limits_of_the_service_is_told_with_the_limit(desk: Desk, grace_hopper: Path):
    def small(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        told["limits"]["max_picture_bytes"] = "3000000"
        told["limits"]["max_upload_bytes"] = "60000"
        route.fulfill(response=answer, json=told)

    desk.page.route("**/v1/capabilities", small)
    desk.page.reload()
    desk.page.wait_for_load_state("networkidle")
    desk.choose(grace_hopper)
    card = desk.wait_for("grace_hopper.jpg", "Not sent")
    expect(card.locator(".line-text")).to_contain_text(re.compile("too large: a picture may have 60 KB"))


def test_a_refusal_of_the_service_is_told_with_its_field(desk: Desk, grace_hopper: Path):
    desk.page.route(
        "**/v1/images?*",
        lambda route: route.continue_(url=re.sub(r"score_threshold=[\d.]+", "score_threshold=7", route.request.url)),
    )
    desk.choose(grace_hopper)
    card = desk.wait_for("grace_hopper.jpg", "Not sent")
    expect(card.locator(".line-text")).to_contain_text("options.score_threshold must be from 0.0 to 1.0, not 7")
    desk.page.unroute("**/v1/images?*")
    card.get_by_role("button", name="Send again").click()
    desk.wait_for("grace_hopper.jpg", "Done")


def test_more_jobs_than_one_stream_takes_are_all_told_to_their_end(desk: Desk, mesh: Mesh, grace_hopper: Path, tmp_path: Path):
    """The limit is lowered for the page, so that a few jobs are many."""

    def two(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        told["limits"]["max_watch_targets"] = 2
        route.fulfill(response=answer, json=told)

    desk.page.route("**/v1/capabilities", two)
    desk.open()
    desk.page.wait_for_load_state("networkidle")
    names = [f"crowd-{number}.jpg" for number in range(6)]
    for name in names:
        (tmp_path / name).write_bytes(grace_hopper.read_bytes())
    desk.choose(*(tmp_path / name for name in names))
    for name in names:
        desk.wait_for(name, "Done")


def test_a_job_of_several_pictures_is_one_card_that_shows_each(desk: Desk, mesh: Mesh, grace_hopper: Path, tmp_path: Path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff" + bytes(1000))
    with Client(mesh.target) as client:
        job = client.submit([grace_hopper, broken])
        client.wait(job.id)
    desk.page.reload()
    card = desk.wait_for("grace_hopper.jpg and 1 more", "Partly done")
    expect(card.locator(".line-text")).to_contain_text("1 of 2 failed: This is not a picture")
    card.locator(".toggle").click()
    expect(card.locator(".body .box:visible")).to_have_count(2)
    card.get_by_role("button", name="Next item").click()
    expect(card.locator(".where")).to_have_text("2 of 2: broken.jpg")
    expect(card.locator(".failure")).to_contain_text("IMAGE_INVALID")
