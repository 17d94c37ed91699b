"""Where annotated pictures are written."""

from pathlib import Path

from myeye.commands.annotated import output_paths


def test_each_is_beside_its_picture():
    pictures = [Path("a/x.jpg"), Path("b/x.png")]
    assert list(output_paths(pictures, None)) == [Path("a/x.detected.jpg"), Path("b/x.detected.jpg")]


def test_no_two_have_the_same_path():
    pictures = [Path("a/x.jpg"), Path("b/x.png"), Path("b/x.png")]
    assert [path.name for path in output_paths(pictures, Path("out"))] == [
        "x.detected.jpg",
        "x.2.detected.jpg",
        "x.3.detected.jpg",
    ]


def test_of_an_address_it_is_here():
    pictures = ["https://images.example.com/a/cat.jpg?size=2", "s3://photos/dog.png", "https://images.example.com/"]
    assert list(output_paths(pictures, None)) == [
        Path("cat.detected.jpg"),
        Path("dog.detected.jpg"),
        Path("images.example.detected.jpg"),
    ]
