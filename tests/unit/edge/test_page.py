"""The page's files, as Envoy's routes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.config import read_order
from edge.errors import ConfigurationError
from edge.page import find_page, page_routes, read_page
from edge.template import fill


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "style").mkdir()
    (tmp_path / "index.html").write_text("<p>ü</p>", encoding="utf-8")
    (tmp_path / "app.js").write_text("1 // $listen_port")
    (tmp_path / "style" / "base.css").write_text("p {}")
    (tmp_path / "README.md").write_text("not for the public")
    return tmp_path


def test_each_file_has_its_path_and_kind_and_what_is_of_no_known_kind_stays_unseen(folder: Path):
    files = read_page(folder)
    assert {file.path: file.media_type.partition(";")[0] for file in files} == {
        "/": "text/html",
        "/app.js": "text/javascript",
        "/style/base.css": "text/css",
    }


def test_the_etag_changes_with_the_file_and_only_with_it(folder: Path):
    before = {file.path: file.etag for file in read_page(folder)}
    (folder / "app.js").write_text("2")
    after = {file.path: file.etag for file in read_page(folder)}
    assert {path for path in before if before[path] != after[path]} == {"/app.js"}


def test_the_page_runs_nothing_and_sends_nothing_that_is_not_its_own(folder: Path):
    for route in page_routes(read_page(folder)):
        headers = {each["header"]["key"]: each["header"]["value"] for each in route["response_headers_to_add"]}
        policy = headers["content-security-policy"].split("; ")
        assert "default-src 'none'" in policy
        assert not {word for rule in policy for word in rule.split()[1:]} - {"'none'", "'self'", "blob:"}


def test_what_stands_in_a_file_is_not_filled_in(folder: Path):
    assert "1 // $listen_port" in fill(read_order(["--web", str(folder)], {}).config, admin="/tmp/a")


def test_a_folder_without_an_index_is_refused_and_named(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=re.escape(str(tmp_path))):
        fill(read_order([], {"MYEYE_WEB": str(tmp_path)}).config, admin="/tmp/a")


def test_the_page_of_the_checkout_is_complete():
    """Whatever a file names of the page's own is there: a slip would be a blank page."""
    files = {file.path: file for file in read_page(find_page())}
    named = re.compile(r"""(?:src|href)="(/[^"#]*)"|from '\.(/[^']+)'""")
    for file in files.values():
        for match in named.finditer(file.text):
            assert (match[1] or match[2]) in files, (file.path, match[0])
