"""Videos to frames: every container that is stated, upright, at the right times; what is wrong with one is said."""

from __future__ import annotations

import io
import math
import os
import socket
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from worker.video.child import FFMPEG
from worker.video.container import inspect
from worker.video.reader import Frame, Reader
from worker.video.rejected import VideoRejected
from worker.video.sampling import Sampling

Maker = Callable[..., Path]
ALL = Sampling(0.0, math.inf, 60.0)
CONTAINERS = [("mp4", "mp4v"), ("mp4", "vp09"), ("mov", "mp4v"), ("mov", "MJPG"), ("m4v", "mp4v"), ("3gp", "mp4v")]
CONTAINERS += [("webm", "VP80"), ("webm", "VP90"), ("mkv", "mp4v"), ("mkv", "MJPG"), ("avi", "MJPG"), ("avi", "XVID")]


@pytest.fixture(autouse=True)
def ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in FFMPEG.items():
        monkeypatch.setenv(name, value)


def read(path: Path, sampling: Sampling = ALL, *, max_pixels: int = 10**6) -> tuple[list[Frame], str]:
    """Read as far as it goes: the frames, and the reason that ended it."""
    frames: list[Frame] = []
    try:
        frames.extend(Reader(path, max_pixels=max_pixels).frames(sampling))
    except VideoRejected as error:
        return frames, error.reason
    return frames, ""


@pytest.fixture
def cut(tmp_path: Path) -> Callable[[Path, float], Path]:
    """Keep only the first part of a file."""

    def cut(path: Path, part: float) -> Path:
        shorter = tmp_path / f"cut{path.suffix}"
        shorter.write_bytes(path.read_bytes()[: round(path.stat().st_size * part)])
        return shorter

    return cut


def overwritten(path: Path, start: float, end: float, filling: Callable[[int], bytes]) -> Path:
    data = bytearray(path.read_bytes())
    first, last = round(len(data) * start), round(len(data) * end)
    data[first:last] = filling(last - first)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("ending", "codec"), CONTAINERS)
def test_every_container_gives_its_frames(video_at: Maker, tmp_path: Path, ending: str, codec: str) -> None:
    path = video_at(tmp_path / f"clip.{ending}", codec=codec, frames=8)
    frames, reason = read(path)
    assert reason == ""
    assert [round(frame.time_s, 2) for frame in frames] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert {frame.pixels.shape for frame in frames} == {(240, 320, 3)}
    header = Reader(path, max_pixels=10**6).header
    assert (header.width_px, header.height_px, header.fps) == (320, 240, 10.0)
    assert header.duration_s == pytest.approx(0.8, abs=0.06)


def test_a_part_at_fewer_frames(video_at: Maker, tmp_path: Path) -> None:
    frames, reason = read(video_at(tmp_path / "clip.mp4", frames=40), Sampling(1.0, 3.0, 5.0))
    assert [round(frame.time_s, 2) for frame in frames] == [1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6, 2.8]
    assert reason == ""


@pytest.mark.parametrize(("ending", "codec"), [("mp4", "mp4v"), ("webm", "VP80"), ("avi", "MJPG")])
def test_a_late_start_is_sought_and_gives_the_same_frames(video_at: Maker, tmp_path: Path, ending: str, codec: str) -> None:
    path = video_at(tmp_path / f"clip.{ending}", codec=codec, frames=300, size=(64, 48))
    stepped = [frame for frame in read(path)[0] if frame.time_s >= 20.0 - 0.001]
    sought, reason = read(path, Sampling(20.0, math.inf, 60.0))
    assert reason == ""
    assert [round(frame.time_s, 2) for frame in sought] == [round(frame.time_s, 2) for frame in stepped]
    assert (sought[0].pixels == stepped[0].pixels).all()


def test_frames_are_upright(video_at: Maker, tmp_path: Path) -> None:
    path = video_at(tmp_path / "clip.mp4", frames=3)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    turn = (0, 1 << 16, 0, -(1 << 16), 0, 0, 240 << 16, 0, 1 << 30)
    data[matrix : matrix + 36] = b"".join(number.to_bytes(4, signed=True) for number in turn)
    path.write_bytes(data)
    frames, _ = read(path)
    assert frames[0].pixels.shape == (320, 240, 3)
    header = Reader(path, max_pixels=10**6).header
    assert (header.width_px, header.height_px) == (240, 320)


@pytest.mark.parametrize(("ending", "codec"), [("webm", "VP80"), ("mkv", "mp4v"), ("avi", "MJPG")])
def test_a_file_that_ends_too_early_gives_what_is_there(
    video_at: Maker, tmp_path: Path, cut: Callable[[Path, float], Path], ending: str, codec: str
) -> None:
    frames, reason = read(cut(video_at(tmp_path / f"clip.{ending}", codec=codec, frames=20), 0.5))
    assert 5 <= len(frames) <= 15
    assert reason == "VIDEO_TRUNCATED"


def test_a_file_without_its_index_is_incomplete_not_invalid(
    video_at: Maker, tmp_path: Path, cut: Callable[[Path, float], Path]
) -> None:
    assert read(cut(video_at(tmp_path / "clip.mp4"), 0.9)) == ([], "VIDEO_TRUNCATED")


def test_a_file_whose_last_bytes_only_are_missing_is_whole(
    video_at: Maker, tmp_path: Path, cut: Callable[[Path, float], Path]
) -> None:
    path = video_at(tmp_path / "clip.webm", codec="VP80", frames=20)
    frames, reason = read(cut(path, 1 - 20 / path.stat().st_size))
    assert (len(frames), reason) == (20, "")


@pytest.mark.parametrize(("ending", "codec"), [("webm", "VP80"), ("avi", "MJPG"), ("mkv", "MJPG")])
def test_a_transfer_that_left_zeros_is_told(video_at: Maker, tmp_path: Path, ending: str, codec: str) -> None:
    frames, reason = read(overwritten(video_at(tmp_path / f"clip.{ending}", codec=codec, frames=20), 0.5, 1.0, bytes))
    assert 5 <= len(frames) <= 15
    assert reason == "VIDEO_TRUNCATED"


def test_damage_in_the_middle_ends_it_there(video_at: Maker, tmp_path: Path) -> None:
    frames, reason = read(overwritten(video_at(tmp_path / "clip.mp4", frames=40), 0.4, 0.7, bytes))
    assert 10 <= len(frames) <= 25
    assert reason == "VIDEO_TRUNCATED"


def test_a_frame_that_cannot_be_read_is_not_tried_for_ever(video_at: Maker, tmp_path: Path) -> None:
    path = video_at(tmp_path / "clip.mp4")
    data = bytearray(path.read_bytes())
    third_size = data.index(b"stsz") + 16 + 4 * 2
    data[third_size] = 53  # 889 MB of a file of 100 kB
    path.write_bytes(data)
    frames, reason = read(path)
    assert len(frames) < 10
    assert reason == "VIDEO_TRUNCATED"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"", "VIDEO_INVALID"),
        (b"these are words, not pixels", "VIDEO_INVALID"),
        (b"\x1a\x45\xdf\xa3" + bytes(6000), "VIDEO_TRUNCATED"),
        (b"\x1a\x45\xdf\xa3" + b"x" * 6000, "VIDEO_INVALID"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42" + b"\x00\x00\x00\x10free12345678", "VIDEO_INVALID"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "VIDEO_UNSUPPORTED"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "VIDEO_UNSUPPORTED"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\n", "VIDEO_UNSUPPORTED"),
        (b"OggS" + bytes(60), "VIDEO_UNSUPPORTED"),
        (b"\x47" + bytes(187), "VIDEO_UNSUPPORTED"),
        (b"RIFF\x00\x00\x00\x00WAVE", "VIDEO_INVALID"),
    ],
)
def test_what_is_no_video_is_told_from_what_is_not_supported(tmp_path: Path, head: bytes, reason: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(head)
    assert read(path) == ([], reason)


@pytest.mark.parametrize("name", ["file.m3u8", "file.mp4", "file.ffconcat"])
def test_ffmpeg_itself_refuses_play_lists_whatever_they_are_called(video_at: Maker, tmp_path: Path, name: str) -> None:
    inner = video_at(tmp_path / "clip.ts", codec="mpg2", fps=25.0)
    for text in (f"#EXTM3U\n#EXTINF:1,\n{inner}\n#EXT-X-ENDLIST\n", f"ffconcat version 1.0\nfile {inner}\n"):
        path = tmp_path / name
        path.write_text(text)
        assert not cv2.VideoCapture(str(path), cv2.CAP_FFMPEG).isOpened()


def test_ffmpeg_itself_opens_no_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/clip.mp4"
        assert not cv2.VideoCapture(address, cv2.CAP_FFMPEG).isOpened()
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_codec_that_is_not_there_is_unsupported(video_at: Maker, tmp_path: Path) -> None:
    path = video_at(tmp_path / "clip.webm", codec="VP80")
    path.write_bytes(path.read_bytes().replace(b"V_VP8", b"V_XYZ"))
    assert read(path) == ([], "VIDEO_UNSUPPORTED")


def test_frames_with_too_many_pixels_are_refused(video_at: Maker, tmp_path: Path) -> None:
    path = video_at(tmp_path / "clip.mp4")
    assert read(path, max_pixels=320 * 240)[1] == ""
    assert read(path, max_pixels=320 * 240 - 1) == ([], "IMAGE_TOO_LARGE")


def test_a_start_behind_the_end_finds_no_frame(video_at: Maker, tmp_path: Path) -> None:
    path = video_at(tmp_path / "clip.mp4")
    assert read(path, Sampling(5.0, math.inf, 5.0)) == ([], "VIDEO_INVALID")
    assert read(path, Sampling(50.0, math.inf, 5.0)) == ([], "VIDEO_INVALID")


@pytest.mark.parametrize(
    "head", [b"\x00\x00\x00\x01ftyp\xff\xff\xff\xff\xff\xff\xff\xff", b"\x00\x00\x00\x08free" * 9, b"\x1a\x45\xdf\xa3\x01"]
)
def test_a_structure_that_makes_no_sense_is_not_followed_far(head: bytes) -> None:
    inspect(io.BytesIO(head + os.urandom(64)))
