"""A picture, from the drop to its boxes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.browser.desk import Desk

TOLERANCE_PX = 2.0


def assert_boxes_in_place(desk: Desk, card: Locator) -> None:
    """Compare the boxes on the screen with the numbers of the service."""
    result = desk.job(card)["items"][0]["result"]
    frame = card.locator(".body .stage img").bounding_box()
    boxes = card.locator(".body .box")
    assert boxes.count() == len(result["detections"]) > 0
    for index, detection in enumerate(result["detections"]):
        seen, told = boxes.nth(index).bounding_box(), detection["bounding_box"]
        if seen is None:  # below the threshold
            continue
        assert frame is not None
        scale_x, scale_y = frame["width"] / result["width_px"], frame["height"] / result["height_px"]
        assert scale_x == pytest.approx(scale_y, rel=0.01), "the picture keeps its shape"
        expected = (
            frame["x"] + told.get("x_px", 0) * scale_x,
            frame["y"] + told.get("y_px", 0) * scale_y,
            told["width_px"] * scale_x,
            told["height_px"] * scale_y,
        )
        assert (seen["x"], seen["y"], seen["width"], seen["height"]) == pytest.approx(expected, abs=TOLERANCE_PX)


def test_a_dropped_picture_shows_its_boxes_where_the_service_found_them(desk: Desk, grace_hopper: Path):
    desk.drop(grace_hopper)
    card = desk.wait_for("grace_hopper.jpg", "Done")
    expect(card.locator(".body .box").first).to_be_visible()
    assert_boxes_in_place(desk, card)
    expect(card.locator(".label").first).to_have_text(re.compile(r"^person 9\d %$"))
    expect(desk.page.locator("#spoken")).to_contain_text("grace_hopper.jpg: Done. person, tie")
    desk.shot("page-light")


def test_boxes_are_upright_where_a_camera_lay_on_its_side(desk: Desk, grace_hopper: Path, tmp_path: Path):
    turned = tmp_path / "camera.jpg"
    with Image.open(grace_hopper) as picture:
        exif = picture.getexif()
        exif[0x0112] = 6
        picture.rotate(90, expand=True).save(turned, exif=exif)
    desk.choose(turned)
    card = desk.wait_for("camera.jpg", "Done")
    expect(card.locator(".body .box").first).to_be_visible()
    assert_boxes_in_place(desk, card)
    desk.page.reload()
    card = desk.wait_for("camera.jpg", "Done")
    expect(card.locator(".body .box").first).to_be_visible()
    assert_boxes_in_place(desk, card)


def test_the_slider_filters_boxes_and_rows_at_once(desk: Desk, grace_hopper: Path):
    desk.choose(grace_hopper)
    card = desk.wait_for("grace_hopper.jpg", "Done")
    slider, boxes, rows = card.get_by_role("slider"), card.locator(".body .box:visible"), card.locator("tbody tr:visible")
    expect(boxes).to_have_count(2)
    assert slider.get_attribute("min") == "10", "the page asks for more than it shows at first"
    slider.fill("60")
    expect(boxes).to_have_count(1)
    expect(rows).to_have_count(1)
    expect(card.locator(".line-text")).to_contain_text(re.compile("^person ·"))
    slider.fill("99")
    expect(boxes).to_have_count(0)
    expect(card.locator(".empty")).to_contain_text("Nothing with a score of 99 % or more")
    slider.fill("10")
    expect(boxes).to_have_count(len(desk.job(card)["items"][0]["result"]["detections"]))


def test_a_box_and_its_row_point_at_each_other(desk: Desk, grace_hopper: Path):
    desk.choose(grace_hopper)
    card = desk.wait_for("grace_hopper.jpg", "Done")
    tie_box, tie_row = card.locator('.body .box[data-category="tie"]'), card.locator("tbody tr", has_text="tie")
    tie_row.hover()
    expect(tie_box).to_have_class(re.compile(r"\blit\b"))
    desk.page.mouse.move(0, 0)
    expect(tie_box).not_to_have_class(re.compile(r"\blit\b"))
    tie_box.hover()
    expect(tie_row).to_have_class(re.compile(r"\blit\b"))
    tie_row.get_by_role("button").focus()
    expect(tie_box).to_have_class(re.compile(r"\blit\b"))


def test_what_was_found_can_be_taken_away(desk: Desk, grace_hopper: Path, tmp_path: Path):
    desk.choose(grace_hopper)
    card = desk.wait_for("grace_hopper.jpg", "Done")
    with desk.page.expect_download() as told:
        card.get_by_role("button", name="Save picture with boxes").click()
    told.value.save_as(tmp_path / "drawn.jpg")
    with desk.page.expect_download() as listed:
        card.get_by_role("button", name="Save JSON").click()
    listed.value.save_as(tmp_path / "found.json")
    assert (told.value.suggested_filename, listed.value.suggested_filename) == (
        "grace_hopper.detected.jpg",
        "grace_hopper.myeye.json",
    )
    assert json.loads((tmp_path / "found.json").read_text()) == desk.job(card)
    with Image.open(tmp_path / "drawn.jpg") as drawn, Image.open(grace_hopper) as picture:
        assert drawn.size == picture.size
        red, green, blue = drawn.convert("RGB").getpixel((256, 19))  # the upper edge of the person's box
    assert green > 150
    assert green > red + 50
    assert green > blue + 50


def test_a_picture_that_the_browser_cannot_show_is_seen_as_the_service_drew_it(desk: Desk, grace_hopper: Path, tmp_path: Path):
    with Image.open(grace_hopper) as picture:
        picture.save(tmp_path / "scan.tiff")
    desk.choose(tmp_path / "scan.tiff")
    card = desk.wait_for("scan.tiff", "Done")
    expect(card.locator(".note")).to_contain_text("how the service drew it")
    image = card.locator(".body .stage img")
    assert image.get_attribute("src") == f"/v1/jobs/{card.get_attribute('data-job')}/items/0/annotated"
    expect(image).to_be_visible()
    expect(card.locator("tbody tr:visible")).to_have_count(2)


def test_a_pasted_picture_is_taken_and_a_name_is_never_read_as_html(desk: Desk, grace_hopper: Path, tmp_path: Path):
    name = "<img src=x onerror=alert(1)>.jpg"
    picture = tmp_path / name
    picture.write_bytes(grace_hopper.read_bytes())
    desk.paste(picture)
    card = desk.wait_for(name, "Done")
    expect(card.locator(".title")).to_have_text(name)
    assert desk.page.locator("img[onerror]").count() == 0


def test_eight_pictures_at_once_all_end_and_begin_as_lines(desk: Desk, grace_hopper: Path, tmp_path: Path):
    names = [f"many-{number}.jpg" for number in range(8)]
    for name in names:
        (tmp_path / name).write_bytes(grace_hopper.read_bytes())
    desk.drop(*(tmp_path / name for name in names))
    for name in names:
        card = desk.wait_for(name, "Done")
        expect(card.locator(".line-text")).to_contain_text("person, tie")
        expect(card.locator(".thumb .box")).to_have_count(2)
        expect(card.locator(".body")).to_be_hidden()
    titles = desk.page.locator(".title").all_text_contents()
    assert titles[:8] == names
