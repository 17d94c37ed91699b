"""Pictures as callers give them."""

from __future__ import annotations

import pytest

from myeye.pictures import sources_of
from myeye.v1.job_pb2 import Input


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
