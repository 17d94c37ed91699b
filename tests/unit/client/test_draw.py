"""Pictures with their boxes drawn."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from myeye import annotate
from myeye.colours import colour_of
from myeye.v1.detection_pb2 import BoundingBox, Detection, DetectionResult, FrameResult


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


BOX = (200, 100, 300, 400)


@pytest.mark.parametrize(("shape", "drawn_shape"), [((600, 800, 3), 3), ((600, 800, 4), 4), ((600, 800), 3), ((600, 800, 1), 3)])
def test_an_array_gives_an_array_in_opencvs_order_of_colours_and_is_not_changed(shape, drawn_shape):
    array = np.full(shape, 255, np.uint8)
    drawn = annotate(array, result_of(800, 600, BOX))
    assert (drawn.dtype, drawn.shape) == (np.uint8, (600, 800, drawn_shape))
    assert tuple(drawn[300, 201][:3][::-1]) == colour_of("dog")
    assert (drawn[300, 350] == 255).all()
    assert (array == 255).all()
    cv2.circle(drawn, (5, 5), 3, (0, 0, 255))  # OpenCV draws on it: it is laid out as it wants


def test_what_is_transparent_in_an_array_stays_so_beside_the_boxes():
    drawn = annotate(np.zeros((600, 800, 4), np.uint8), result_of(800, 600, BOX))
    assert (drawn[300, 350, 3], drawn[300, 201, 3]) == (0, 255)


def test_a_small_array_keeps_its_size():
    assert annotate(np.zeros((40, 60, 3), np.uint8), result_of(60, 40, (30, 20, 20, 10))).shape == (40, 60, 3)


@pytest.mark.parametrize(("mode", "drawn_mode"), [("RGB", "RGB"), ("RGBA", "RGBA"), ("L", "RGB"), ("LA", "RGBA"), ("P", "RGB")])
def test_an_image_gives_an_image_and_is_not_changed(mode, drawn_mode):
    image = Image.new(mode, (800, 600))
    drawn = annotate(image, result_of(800, 600, BOX))
    assert (drawn.mode, drawn.size) == (drawn_mode, (800, 600))
    assert drawn.getpixel((201, 300))[:3] == colour_of("dog")
    assert image.convert("RGB").getbbox() is None


def test_an_image_that_lies_on_its_side_is_drawn_on_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(io.BytesIO(encode(Image.new("RGB", (600, 800)), "JPEG", exif=exif))) as image:
        assert annotate(image, result_of(800, 600, BOX)).size == (800, 600)


def test_a_path_bytes_a_file_and_an_encoded_array_give_the_same_jpeg(tmp_path):
    encoded = encode(Image.new("RGB", (800, 600)))
    path = tmp_path / "photo.png"
    path.write_bytes(encoded)
    with path.open("rb") as file:
        kinds = (path, str(path), encoded, bytearray(encoded), memoryview(encoded), file, np.frombuffer(encoded, np.uint8))
        (jpeg,) = {annotate(picture, result_of(800, 600, BOX)) for picture in kinds}
    assert jpeg.startswith(b"\xff\xd8\xff")


def test_what_a_frame_of_a_video_shows_is_drawn_on_it():
    found = result_of(800, 600, BOX).detections
    drawn = annotate(np.zeros((600, 800, 3), np.uint8), FrameResult(detections=found))
    assert tuple(drawn[300, 201][::-1]) == colour_of("dog")


def test_an_array_of_another_size_is_refused():
    with pytest.raises(ValueError, match="the picture is 60x40, the result's 800x600"):
        annotate(np.zeros((40, 60, 3), np.uint8), result_of(800, 600))
