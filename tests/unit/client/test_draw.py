"""Pictures with their boxes drawn."""

import io

import pytest
from PIL import Image

from myeye.draw import annotate, colour_of
from myeye.v1.detection_pb2 import BoundingBox, Detection, DetectionResult


def encode(image, kind="PNG", **options):
    encoded = io.BytesIO()
    image.save(encoded, kind, **options)
    return encoded.getvalue()


def result_of(width, height, *boxes, category="dog"):
    detections = [
        Detection(category=category, score=0.5, bounding_box=BoundingBox(x_px=x, y_px=y, width_px=w, height_px=h))
        for x, y, w, h in boxes
    ]
    return DetectionResult(width_px=width, height_px=height, detections=detections)


def decode(drawn):
    with Image.open(io.BytesIO(drawn)) as image:
        return image.convert("RGB")


def close(one, other):
    return all(abs(a - b) < 60 for a, b in zip(one, other, strict=True))


def test_the_box_is_drawn_where_it_is_in_the_colour_of_its_category():
    image = decode(annotate(encode(Image.new("RGB", (800, 600))), result_of(800, 600, (200, 100, 300, 400))))
    assert image.size == (800, 600)
    for edge in ((201, 300), (498, 300), (400, 101), (400, 498)):
        assert close(image.getpixel(edge), colour_of("dog"))
    assert close(image.getpixel((350, 300)), (0, 0, 0))


def test_the_picture_is_turned_upright_before_boxes_are_drawn():
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = encode(Image.new("RGB", (600, 800)), "JPEG", exif=exif)
    image = decode(annotate(picture, result_of(800, 600, (200, 100, 300, 400))))
    assert image.size == (800, 600)
    assert close(image.getpixel((201, 300)), colour_of("dog"))


def test_a_tiny_picture_is_enlarged_so_that_its_label_is_legible():
    image = decode(annotate(encode(Image.new("RGB", (60, 40))), result_of(60, 40, (30, 20, 20, 10))))
    assert image.size == (480, 320)
    assert close(image.getpixel((241, 200)), colour_of("dog"))


def test_labels_of_boxes_on_one_spot_do_not_hide_each_other():
    box = (200, 100, 300, 400)
    once = decode(annotate(encode(Image.new("RGB", (800, 600))), result_of(800, 600, box)))
    twice = decode(annotate(encode(Image.new("RGB", (800, 600))), result_of(800, 600, box, box)))
    assert once.tobytes() != twice.tobytes()


@pytest.mark.parametrize("box", [(0, 0, 800, 600), (790, 0, 10, 10), (0, 590, 10, 10), (400, 300, 0, 0)])
def test_a_box_at_any_edge_is_drawn(box):
    black = Image.new("RGB", (800, 600))
    assert decode(annotate(encode(black), result_of(800, 600, box))).getbbox() is not None


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_picture_is_drawn_on(mode):
    assert decode(annotate(encode(Image.new(mode, (60, 40))), result_of(60, 40))).size == (480, 320)


def test_16_bits_a_pixel_keep_their_brightness():
    image = decode(annotate(encode(Image.new("I;16", (500, 500), 0x4000)), result_of(500, 500)))
    assert close(image.getpixel((250, 250)), (64, 64, 64))


def test_a_category_has_the_same_colour_everywhere():
    assert colour_of("dog") == colour_of("dog") != colour_of("person")


def test_another_pictures_result_is_refused():
    with pytest.raises(ValueError, match="60x40"):
        annotate(encode(Image.new("RGB", (60, 40))), result_of(61, 40))


def test_what_is_no_picture_is_an_os_error():
    with pytest.raises(OSError, match="cannot identify"):
        annotate(b"nothing", result_of(60, 40))
