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
