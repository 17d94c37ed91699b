"""Pictures as callers give them."""

from __future__ import annotations

import io
import os

import cv2
import numpy as np
import pytest
from PIL import Image

from myeye.pictures import sources_of
from myeye.v1.job_pb2 import Input
from myeye.v1.upload_pb2 import Upload


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("https://images.example.com/a/cat.jpg?signature=1", "cat.jpg"),
        ("https://images.example.com/a%20cat.jpg", "a cat.jpg"),
        ("https://images.example.com/", "images.example.com"),
        ("HTTPS://images.example.com/cat.jpg", "cat.jpg"),
        ("s3://photos/2026/cat.jpg", "cat.jpg"),
        (f"https://images.example.com/{'x' * 300}", "x" * 255),
    ],
)
def test_text_that_is_an_address_is_no_path(uri: str, name: str) -> None:
    assert [source.read() for source in sources_of(uri)] == [Input(name=name, uri=uri)]


def test_an_address_goes_with_other_pictures() -> None:
    read = [source.read() for source in sources_of([b"bytes", "https://images.example.com/cat.jpg"])]
    assert [each.WhichOneof("source") for each in read] == ["content", "uri"]


def test_other_text_is_a_path() -> None:
    with pytest.raises(FileNotFoundError):
        sources_of("http://images.example.com/cat.jpg")


def read(pictures):
    return [source.read() for source in sources_of(pictures)]


def test_one_of_each_kind_needs_no_list_though_some_can_be_iterated_over(tmp_path) -> None:
    path = tmp_path / "cat.jpg"
    path.write_bytes(b"picture")
    assert read(path) == read(str(path)) == [Input(name="cat.jpg", content=b"picture")]
    for kind in (bytes, bytearray, memoryview, io.BytesIO):
        assert read(kind(b"picture")) == [Input(content=b"picture")]
        assert read(("name", kind(b"picture"))) == [Input(name="name", content=b"picture")]
    with path.open("rb") as file:
        assert read(file) == [Input(name="cat.jpg", content=b"picture")]
    assert read(("name", Upload(id="one"))) == [Input(name="name", blob="one")]


@pytest.mark.parametrize("pixels", [np.full((4, 6, 3), 7, np.uint8), Image.new("RGB", (6, 4), (7, 7, 7))], ids=["array", "image"])
def test_pixels_alone_named_or_several_are_each_a_png(pixels) -> None:
    for inputs, name, number in ((read(pixels), "", 1), (read(("name", pixels)), "name", 1), (read([pixels, pixels]), "", 2)):
        assert [each.name for each in inputs] == [name] * number
        for each in inputs:
            assert (cv2.imdecode(np.frombuffer(each.content, np.uint8), cv2.IMREAD_COLOR) == 7).all()


def test_an_open_file_is_read_from_where_it_is_as_often_as_it_takes() -> None:
    file = io.BytesIO(b"header picture")
    file.seek(7)
    (source,) = sources_of(file)
    assert source.size == 7
    assert [source.read().content for _ in range(2)] == [b"picture"] * 2


def test_a_file_that_cannot_seek_is_read_at_once() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as end:
        end.write(b"picture")
    with os.fdopen(reading, "rb") as pipe:
        assert read(pipe) == [Input(content=b"picture")]


def test_two_paths_are_two_pictures(tmp_path) -> None:
    paths = (str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg"))
    for path in paths:
        (tmp_path / path).write_bytes(b"picture")
    assert [each.name for each in read(paths)] == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        (
            [3],
            "a picture is a path, bytes, a file, a numpy array, a Pillow image, an upload, or a name and one of these, not int",
        ),
        ([("name", 3)], "not tuple"),
        (io.StringIO("text"), r"opened for bytes: open\(path, 'rb'\)"),
        (np.zeros((4, 6)), "uint8, not of float64"),
    ],
)
def test_what_is_no_picture_is_refused_with_what_would_be_one(picture, told) -> None:
    with pytest.raises(TypeError, match=told):
        sources_of(picture)
