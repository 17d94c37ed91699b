"""Arrays and images to encoded pictures."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from myeye.imagery import encode


def pixels(*shape):
    return np.random.default_rng(7).integers(0, 256, shape, np.uint8)


def decoded(encoded):
    """As OpenCV reads it: BGR, BGRA or grey."""
    return cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("shape", [(40, 60, 3), (40, 60, 4), (40, 60), (1, 1, 3), (1, 60), (40, 1, 4)])
def test_an_array_is_a_png_of_just_its_pixels(shape):
    array = pixels(*shape)
    encoded = encode(array)
    assert encoded.startswith(b"\x89PNG")
    assert (decoded(encoded) == array).all()


def test_pillow_reads_the_same_with_red_and_blue_in_its_own_order():
    array = pixels(40, 60, 3)
    with Image.open(io.BytesIO(encode(array))) as image:
        image.verify()
    with Image.open(io.BytesIO(encode(array))) as image:
        assert (np.asarray(image)[..., ::-1] == array).all()


def test_an_array_with_one_channel_is_grey():
    array = pixels(40, 60, 1)
    assert (decoded(encode(array)) == array[..., 0]).all()


@pytest.mark.parametrize(
    "view",
    [lambda a: a[::-1], lambda a: a[::2, 5:], lambda a: a.transpose(1, 0, 2), np.asfortranarray],
    ids=["upside-down", "cut", "turned", "fortran"],
)
def test_a_view_of_an_array_is_what_it_shows(view):
    array = view(pixels(40, 60, 3))
    assert (decoded(encode(array)) == array).all()


def test_what_opencv_has_encoded_stays_as_it_is():
    done, jpeg = cv2.imencode(".jpg", pixels(40, 60, 3))
    assert done
    assert encode(jpeg) == jpeg.tobytes()


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((4, 6, 3)), r"uint8, not of float64: give `\(255 \* picture\)\.astype\(numpy\.uint8\)`"),
        (np.zeros((4, 6, 3), np.float32), "not of float32"),
        (np.zeros((4, 6), np.uint16), r"not of uint16: give `\(picture >> 8\)"),
        (np.zeros((4, 6), bool), r"not of bool: give `255 \* picture"),
        (np.zeros((4, 6), np.int8), "not of int8$"),
        (np.zeros((4, 6), object), "not of object$"),
    ],
)
def test_other_numbers_are_refused_with_what_to_do(array, told):
    with pytest.raises(TypeError, match=told):
        encode(array)


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((3, 40, 60), r"\(3, 40, 60\) has its channels first: give `picture\.transpose\(1, 2, 0\)`"),
        ((2, 40, 60, 3), r"is several pictures: give `list\(pictures\)`"),
        ((40, 60, 2), r"is no picture: \(height, width\) is grey"),
        ((0, 60, 3), "has no pixels"),
        ((), "is no picture"),
    ],
)
def test_other_shapes_are_refused_with_what_to_do(shape, told):
    with pytest.raises(ValueError, match=told):
        encode(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I;16"])
def test_an_image_of_any_mode_is_a_png(mode):
    with Image.open(io.BytesIO(encode(Image.new(mode, (60, 40))))) as image:
        assert (image.format, image.size) == ("PNG", (60, 40))


def test_an_image_loses_nothing():
    array = pixels(40, 60, 3)
    assert (decoded(encode(Image.fromarray(array[..., ::-1]))) == array).all()


def test_an_image_is_turned_upright():
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(file, "JPEG", exif=exif)
    with Image.open(file) as image:
        assert decoded(encode(image)).shape == (60, 40, 3)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_an_image_of_other_numbers_is_refused(mode):
    with pytest.raises(TypeError, match="no 8 bits a channel"):
        encode(Image.new(mode, (60, 40)))
