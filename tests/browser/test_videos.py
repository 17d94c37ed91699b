"""A video: its frames' boxes where and when they were found."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.desk import Desk


def frames_of(desk: Desk, job_id: str) -> list[dict[str, Any]]:
    """Read all frames from the job's history."""
    events = [line["event"] for line in desk.lines(f"/v1/jobs/{job_id}:watch?after_sequence=0") if "event" in line]
    return [frame for event in events for frame in event.get("frames_detected", {}).get("frames", [])]


def seek(card: Locator, time_s: float) -> None:
    card.locator("video").evaluate(
        "(video, time) => new Promise((done) => { video.onseeked = done; video.currentTime = time; })",
        time_s,
    )


def test_a_video_shows_the_boxes_of_the_frame_that_is_seen(desk: Desk, video_at: Callable[..., Path], tmp_path: Path):
    clip = video_at(tmp_path / "walk.webm", codec="VP80", frames=30, size=(640, 480))
    desk.page.locator(".options summary").click()
    desk.page.get_by_label("Also keep each video").check()
    desk.page.locator(".options summary").click()
    desk.choose(clip)
    card = desk.wait_for("walk.webm", "Done")
    expect(card.locator(".line-text")).to_contain_text(re.compile(r"^15 frames: .*person"))
    told = frames_of(desk, str(card.get_attribute("data-job")))
    assert len(told) == 15
    frame = told[10]
    person = next(found for found in frame["detections"] if found["category"] == "person")
    seek(card, float(frame["time"].rstrip("s")))
    box = card.locator('.body .box[data-category="person"]').first
    expect(box.locator(".label")).to_have_text(f"person {round(person['score'] * 100)} %")
    place, seen = card.locator("video").bounding_box(), box.bounding_box()
    assert place is not None
    assert seen is not None
    expected = place["x"] + person["bounding_box"].get("x_px", 0) * place["width"] / 640
    assert seen["x"] == pytest.approx(expected, abs=2)
    expect(card.get_by_role("link", name="Save video with boxes")).to_be_visible()
    desk.shot("page-video")


def test_a_video_is_whole_again_after_a_reload(desk: Desk, video_at: Callable[..., Path], tmp_path: Path):
    desk.choose(video_at(tmp_path / "again.webm", codec="VP80", frames=20))
    desk.wait_for("again.webm", "Done")
    desk.page.reload()
    card = desk.wait_for("again.webm", "Done")
    expect(card.locator("video")).to_have_js_property("videoWidth", 320)
    span = card.get_by_role("button", name=re.compile("^person from")).first
    span.click()
    expect(card.locator('.body .box[data-category="person"]').first).to_be_visible()


def test_a_video_that_is_not_one_fails_in_words(desk: Desk, tmp_path: Path):
    (tmp_path / "broken.mp4").write_bytes(b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(5000))
    desk.choose(tmp_path / "broken.mp4")
    card = desk.wait_for("broken.mp4", "Failed")
    expect(card.locator(".line-text")).to_contain_text("video")
    expect(card.locator(".failure .fine")).to_contain_text("VIDEO_")


def test_a_running_video_tells_its_frames_and_can_be_cancelled(desk: Desk, video_at: Callable[..., Path], tmp_path: Path):
    desk.choose(video_at(tmp_path / "long.webm", codec="VP80", frames=1200))
    card = desk.wait_for("long.webm", "Running")
    expect(card.locator(".line-text")).to_contain_text(re.compile(r"^frame \d+ of about \d+"), timeout=30_000)
    expect(card.locator(".body .span").first).to_be_visible(timeout=30_000)
    card.get_by_role("button", name="Cancel").click()
    desk.wait_for("long.webm", "Cancelled")
    expect(card.locator(".body .span").first).to_be_visible()
