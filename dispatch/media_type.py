"""What kind of picture or video bytes are, by how they begin."""

from __future__ import annotations

_SIGNATURES = (
    ("image/jpeg", 0, b"\xff\xd8\xff"),
    ("image/png", 0, b"\x89PNG\r\n\x1a\n"),
    ("image/gif", 0, b"GIF87a"),
    ("image/gif", 0, b"GIF89a"),
    ("image/bmp", 0, b"BM"),
    ("image/tiff", 0, b"II*\x00"),
    ("image/tiff", 0, b"MM\x00*"),
    ("image/webp", 8, b"WEBP"),
    ("image/avif", 4, b"ftypavif"),
    ("image/avif", 4, b"ftypavis"),
    ("video/x-msvideo", 8, b"AVI "),
    ("video/quicktime", 4, b"ftypqt  "),
    ("video/quicktime", 4, b"moov"),
    ("video/quicktime", 4, b"mdat"),
    ("video/quicktime", 4, b"wide"),
)
"""Media type, offset and bytes there. A WebP and an AVI are RIFF files, of which there are other kinds."""

_FOREIGN_PICTURES = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
"""Brands of the MP4 family that are neither videos nor pictures of `limits.MEDIA_TYPES`."""
_EBML = b"\x1a\x45\xdf\xa3"

HEAD_BYTES = 64
"""How much of the beginning is looked at."""
UNKNOWN = "application/octet-stream"


def media_type(head: bytes) -> str:
    """Tell a media type by the first HEAD_BYTES; UNKNOWN if it is none of `limits.MEDIA_TYPES` and `VIDEO_MEDIA_TYPES`."""
    for name, offset, signature in _SIGNATURES:
        if head.startswith(signature, offset):
            return name
    if head.startswith(b"ftyp", 4):
        return UNKNOWN if head[8:12] in _FOREIGN_PICTURES else "video/mp4"
    if head.startswith(_EBML):
        return "video/webm" if b"webm" in head[:HEAD_BYTES] else "video/x-matroska"
    return UNKNOWN


def is_video(media_type: str) -> bool:
    """Tell a video from a picture, and from bytes of no known kind."""
    return media_type.startswith("video/")
