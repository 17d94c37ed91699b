"""Pictures and videos are known by how they begin."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from dispatch.media_type import UNKNOWN, is_video, media_type
from gateway.limits import MEDIA_TYPES, VIDEO_MEDIA_TYPES


def encoded(format_name: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 3), "grey").save(file, format_name)
    return file.getvalue()


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_every_media_type_that_is_taken_is_known(name: str) -> None:
    head = encoded(name.removeprefix("image/").upper())[:12]
    assert media_type(head) == name
    assert not is_video(name)


VIDEOS = {
    "video/mp4": b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00",
    "video/quicktime": b"\x00\x00\x00\x14ftypqt  \x00\x00\x02\x00",
    "video/webm": b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm",
    "video/x-matroska": b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska",
    "video/x-msvideo": b"RIFF\x00\x00\x00\x00AVI LIST",
}


@pytest.mark.parametrize("name", VIDEO_MEDIA_TYPES)
def test_every_media_type_of_videos_is_known(name: str) -> None:
    assert media_type(VIDEOS[name]) == name
    assert is_video(name)


def test_an_old_quicktime_file_has_no_brand() -> None:
    assert media_type(b"\x00\x00\x00\x08wide\x00\x00\x00\x00mdat") == "video/quicktime"


@pytest.mark.parametrize(
    "head",
    [b"", b"\xff\xd8", b"picture 0", b"<svg xmlns=", b"RIFF\x00\x00\x00\x00WAVE", b"\x00\x00\x00\x1cftypheic", b"<html><script>"],
)
def test_everything_else_is_just_bytes(head: bytes) -> None:
    assert media_type(head) == UNKNOWN
    assert not is_video(UNKNOWN)
