"""Whatever is handed in as a video: FFmpeg is shown what begins as one of three containers, and nothing else."""

from __future__ import annotations

import io
import struct

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutations import mutated
from worker.video.container import inspect
from worker.video.rejected import VideoRejected


def box(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


MVHD = box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, 5000) + bytes(80))
MVHD_64 = box(b"mvhd", struct.pack(">IQQIQ", 0x0100_0000, 0, 0, 1000, 5000) + bytes(80))
ORIGINALS = (
    box(b"ftyp", b"isom") + box(b"mdat", b"frames") + box(b"moov", MVHD),
    box(b"ftyp", b"isom") + struct.pack(">I4sQ", 1, b"mdat", 22) + b"frames" + box(b"moov", MVHD_64),
    b"\x1a\x45\xdf\xa3\x84webm\x18\x53\x80\x67\x85frame",
    b"\x1a\x45\xdf\xa3\x84webm\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xffframe",
    b"RIFF\x0e\x00\x00\x00AVI LIST\x02\x00\x00\x00hi" + b"RIFF\x08\x00\x00\x00AVIXLIST",
)
TEXTS = (
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    b"ffconcat version 1.0\nfile /etc/passwd\n",
    b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    b"<MPD><Period><BaseURL>http://127.0.0.1/</BaseURL></Period></MPD>",
    b"[playlist]\nFile1=/etc/passwd\n",
)
FIRST = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def refusal(data: bytes) -> str:
    """Say why a file is not shown to FFmpeg; empty if it is."""
    try:
        inspect(io.BytesIO(data))
    except VideoRejected as rejected:
        return rejected.reason
    return ""


@given(mutated((*ORIGINALS, *TEXTS)) | st.binary(max_size=64))
def test_a_damaged_container_is_looked_into_or_refused(data: bytes) -> None:
    reason = refusal(data)
    assert reason in ("", "VIDEO_INVALID", "VIDEO_UNSUPPORTED")
    if not reason:
        assert data[4:8] in FIRST or data.startswith((b"\x1a\x45\xdf\xa3", b"RIFF")), "this FFmpeg is shown"


def test_texts_that_name_other_files_are_refused() -> None:
    for text in TEXTS:
        for before in (b"", b"\xef\xbb\xbf", b"\n", b"#"):
            assert refusal(before + text), text
