"""How uploads are shown, on a terminal and elsewhere."""

from io import StringIO

import pytest
from rich.console import Console

from myeye.progress import live


@pytest.mark.parametrize("terminal", [True, False])
def test_an_upload_is_shown_until_it_is_done(terminal):
    out = StringIO()
    with live(Console(file=out, force_terminal=terminal, width=100)) as progress:
        for sent in range(0, 2_000_001, 100_000):
            progress.show_upload("clip.mp4", sent, 2_000_000)
    assert "clip.mp4" in out.getvalue()
    assert "2.0 MB" in out.getvalue()


def test_elsewhere_each_tenth_is_a_line():
    out = StringIO()
    with live(Console(file=out, force_terminal=False, width=100)) as progress:
        for sent in range(0, 2_000_001, 1_000):
            progress.show_upload("clip.mp4", sent, 2_000_000)
    assert len(out.getvalue().splitlines()) == 11
