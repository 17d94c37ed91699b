"""The page in a real browser: Debian's Chromium, driven by Playwright, on a whole installation of real processes.

MYEYE_SCREENSHOTS   the folder that tests put their pictures of the page into; without it they take none
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import matplotlib
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from harness.mesh import Mesh
from tests.browser.desk import Desk

LIMIT_MS = 60_000
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="package")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """An installation that tests may kill parts of, if they start them again."""
    with Mesh(tmp_path_factory.mktemp("page") / "mesh", edge=True) as mesh:
        yield mesh


@pytest.fixture(scope="package")
def idle_mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """An installation without a worker: jobs wait for ever."""
    with Mesh(tmp_path_factory.mktemp("page") / "idle", edge=True, workers=0) as mesh:
        yield mesh


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "chromium is missing: scripts/system-packages chromium"
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *as_root])
        yield browser
        browser.close()


@pytest.fixture
def desk_at(browser: Browser) -> Iterator[Callable[..., Desk]]:
    """Open the page of an edge, and at the end expect that it has complained about nothing but a service that was away."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    with ExitStack() as contexts:

        def open_page(mesh: Mesh, *, width: int = 1280, height: int = 990, scheme: str = "light") -> Desk:
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
                reduced_motion="reduce",
                locale="en-GB",
            )
            contexts.callback(context.close)
            page: Page = context.new_page()
            page.set_default_timeout(LIMIT_MS)
            page.on("console", note)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            desk = Desk(page, f"http://{mesh.edge_target}")
            desk.open()
            return desk

        yield open_page
    assert complaints == []


@pytest.fixture
def desk(desk_at: Callable[..., Desk], mesh: Mesh) -> Desk:
    """The page, on an installation that works."""
    return desk_at(mesh)


@pytest.fixture(scope="session")
def grace_hopper() -> Path:
    """A photograph of a person that matplotlib ships."""
    return Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
