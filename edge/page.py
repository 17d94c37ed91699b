"""The page's files, as routes that Envoy answers by itself. They are read once, at the start."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import ConfigurationError

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}
"""Of what is served; anything else in the folder is not."""

HEADERS = {
    "cache-control": "no-cache",  # kept, and asked for again by its etag
    "content-security-policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' blob:",
            "media-src 'self' blob:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
}
INDEX = "index.html"


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file and the path that it is served at."""

    path: str
    media_type: str
    text: str

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.text.encode()).hexdigest()[:32]}"'


def find_page() -> Path:
    """Give the folder of the page: beside this program where that is installed, in `clients/web` of a checkout."""
    here = Path(__file__).parent
    installed = here / "web"
    return installed if installed.is_dir() else here.parent / "clients" / "web"


def read_page(folder: Path) -> list[PageFile]:
    """Read all that is served of a folder; its index.html is "/".

    Raises:
        ConfigurationError: it is no page, or cannot be read.
    """
    if not (folder / INDEX).is_file():
        raise ConfigurationError(f"--web: there is no {INDEX} in {folder}")
    try:
        return [_read(folder, path) for path in sorted(folder.rglob("*")) if path.suffix in MEDIA_TYPES and path.is_file()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--web: {error}") from error


def _read(folder: Path, path: Path) -> PageFile:
    name = path.relative_to(folder).as_posix()
    return PageFile("/" if name == INDEX else f"/{name}", MEDIA_TYPES[path.suffix], path.read_text(encoding="utf-8"))


def page_routes(files: list[PageFile]) -> Iterator[dict[str, Any]]:
    """Yield Envoy's routes: for each file one that says that a browser's copy is still good, and one that gives it."""
    for file in files:
        headers = HEADERS | {"etag": file.etag}
        kept = {"name": "if-none-match", "string_match": {"contains": file.etag}}
        yield _route(file.path, [kept], headers, {"status": 304})
        yield _route(
            file.path, [], headers | {"content-type": file.media_type}, {"status": 200, "body": {"inline_string": file.text}}
        )


def _route(path: str, conditions: list[dict[str, Any]], headers: dict[str, str], answer: dict[str, Any]) -> dict[str, Any]:
    reads = {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD"}}}
    return {
        "match": {"path": path, "headers": [reads, *conditions]},
        "direct_response": answer,
        "response_headers_to_remove": ["location"],  # Envoy sets it with every 3xx
        "response_headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, value in headers.items()
        ],
    }
