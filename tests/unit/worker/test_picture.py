"""Encoded pictures, good, odd and hostile, made here."""

from __future__ import annotations

import io
import struct
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from worker.detection import PictureRejected
from worker.picture import MIN_REDUCED_SIDE_PX, Picture, decode

LIMIT = 10_000_000
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 30), (30, 30, 220), (240, 240, 240)


def quarters(width_px: int, height_px: int) -> Image.Image:
    """Red top left, green top right, blue bottom left, white bottom right."""
    pixels = np.empty((height_px, width_px, 3), np.uint8)
    pixels[: height_px // 2, : width_px // 2] = RED
    pixels[: height_px // 2, width_px // 2 :] = GREEN
    pixels[height_px // 2 :, : width_px // 2] = BLUE
    pixels[height_px // 2 :, width_px // 2 :] = WHITE
    return Image.fromarray(pixels)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def oriented(width_px: int, height_px: int, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(quarters(width_px, height_px), "JPEG", exif=exif)


def read(data: bytes, *, full_size: bool = True, max_pixels: int = LIMIT) -> Picture:
    return decode(data, max_pixels=max_pixels, full_size=full_size)


def reason(data: bytes, **how: Any) -> str:
    with pytest.raises(PictureRejected) as caught:
        read(data, **how)
    return caught.value.reason


def corners(picture: Picture) -> list[tuple[int, int, int]]:
    """Name the colours of the four corners, in reading order."""
    near = (RED, GREEN, BLUE, WHITE)
    spots = picture.pixels[[8, 8, -8, -8], [8, -8, 8, -8]].astype(int)
    return [min(near, key=lambda colour: int(np.abs(spot - colour).sum())) for spot in spots]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF"])
def test_every_format_that_is_promised_is_read_as_rgb(form: str) -> None:
    picture = read(encoded(quarters(96, 64), form))
    assert (picture.width_px, picture.height_px) == (96, 64)
    assert (picture.pixels.dtype, picture.pixels.flags.c_contiguous) == (np.uint8, True)
    assert corners(picture) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16"])
def test_every_kind_of_png_becomes_three_channels_of_eight_bits(mode: str) -> None:
    picture = read(encoded(quarters(96, 64).convert(mode), "PNG"))
    assert picture.pixels.shape == (64, 96, 3)
    assert picture.pixels.dtype == np.uint8


def test_sixteen_bits_a_channel_are_scaled_down() -> None:
    deep = np.full((64, 96, 3), (0x2000, 0x8000, 0xFF00), np.uint16)  # blue, green, red
    data = cv2.imencode(".png", deep)[1].tobytes()
    assert np.abs(read(data).pixels[32, 48].astype(int) - (0xFF, 0x80, 0x20)).max() <= 1


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_jpegs_are_read(mode: str) -> None:
    assert read(encoded(quarters(96, 64).convert(mode), "JPEG")).pixels.shape == (64, 96, 3)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_its_first_frame(form: str) -> None:
    first, second = quarters(96, 64), Image.new("RGB", (96, 64), WHITE)
    assert corners(read(encoded(first, form, save_all=True, append_images=[second]))) == [RED, GREEN, BLUE, WHITE]


def test_a_jpeg_that_holds_several_pictures_is_its_first() -> None:
    data = encoded(quarters(96, 64), "MPO", save_all=True, append_images=[Image.new("RGB", (96, 64))])
    assert corners(read(data)) == [RED, GREEN, BLUE, WHITE]


UPRIGHT = {
    1: [RED, GREEN, BLUE, WHITE],
    2: [GREEN, RED, WHITE, BLUE],
    3: [WHITE, BLUE, GREEN, RED],
    4: [BLUE, WHITE, RED, GREEN],
    5: [RED, BLUE, GREEN, WHITE],
    6: [BLUE, RED, WHITE, GREEN],
    7: [WHITE, GREEN, BLUE, RED],
    8: [GREEN, WHITE, RED, BLUE],
}


@pytest.mark.parametrize("full_size", [True, False])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_the_exif_orientation_is_applied_to_pixels_and_size(orientation: int, full_size: bool) -> None:
    picture = read(oriented(2001, 1400, orientation), full_size=full_size)
    turned = orientation >= 5
    assert (picture.width_px, picture.height_px) == ((1400, 2001) if turned else (2001, 1400))
    assert corners(picture) == UPRIGHT[orientation]
    assert (picture.pixels.shape[0] > picture.pixels.shape[1]) is turned


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_a_broken_exif_block_is_no_reason_to_refuse(exif: bytes) -> None:
    assert corners(read(encoded(quarters(96, 64), "JPEG", exif=exif))) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    ("size", "divisor"), [((1279, 1500), 1), ((1280, 1500), 2), ((2600, 2561), 4), ((2559, 2600), 2), ((5121, 5200), 8)]
)
def test_a_large_jpeg_is_reduced_while_its_short_side_stays_long_enough(size: tuple[int, int], divisor: int) -> None:
    picture = read(encoded(quarters(*size), "JPEG"), full_size=False, max_pixels=30_000_000)
    assert (picture.width_px, picture.height_px) == size
    assert picture.pixels.shape == (-(-size[1] // divisor), -(-size[0] // divisor), 3)
    assert min(picture.pixels.shape[:2]) >= MIN_REDUCED_SIDE_PX


def test_a_picture_whose_turn_could_not_be_told_afterwards_is_not_reduced() -> None:
    picture = read(oriented(1282, 1281, 6), full_size=False)
    assert (picture.width_px, picture.height_px) == (1281, 1282)


def test_a_large_png_is_never_reduced() -> None:
    assert read(encoded(quarters(1500, 1400), "PNG"), full_size=False).pixels.shape == (1400, 1500, 3)


def test_the_limit_of_pixels_is_exact() -> None:
    data = encoded(quarters(100, 50), "PNG")
    assert read(data, max_pixels=5000).width_px == 100
    assert reason(data, max_pixels=4999) == "IMAGE_TOO_LARGE"


def jpeg_that_claims(width_px: int, height_px: int) -> bytes:
    data = encoded(quarters(64, 64), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height_px, width_px) + data[at + 4 :]


def gif_that_claims(width_px: int, height_px: int) -> bytes:
    data = encoded(quarters(64, 64), "GIF")
    return data[:6] + struct.pack("<HH", width_px, height_px) + data[10:]


@pytest.mark.parametrize(
    "data", [jpeg_that_claims(30_000, 30_000), jpeg_that_claims(10_000, 10_000), gif_that_claims(65535, 65535)]
)
def test_a_bomb_is_refused_by_its_header(data: bytes) -> None:
    assert reason(data) == "IMAGE_TOO_LARGE"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF", "BMP"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_half_a_picture_is_refused_whole(form: str, part: float) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (256, 256, 3), np.uint8))
    data = encoded(noise, form)
    assert reason(data[: int(len(data) * part)]) == "IMAGE_INVALID"


@pytest.mark.parametrize("data", [b"", b"\x00", b"hello, I am a picture", b"\xff\xd8\xff\xe0" + b"\x55" * 500, bytes(10_000)])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert reason(data) == "IMAGE_INVALID"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\x00\x00\x00\x18ftypheic" + bytes(100), "HEIC"),
        (b"%PDF-1.7\n", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    ],
)
def test_a_picture_of_another_format_is_named_and_told_what_is_supported(data: bytes, name: str) -> None:
    with pytest.raises(PictureRejected, match=f"{name} is not supported; supported are JPEG, PNG") as caught:
        read(data)
    assert caught.value.reason == "IMAGE_UNSUPPORTED"
