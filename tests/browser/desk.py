"""What a person does on the page, and what they see there."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from playwright.sync_api import Locator, Page, expect

LIMIT_MS = 60_000
DROP = """([files]) => {
    const transfer = new DataTransfer();
    for (const [name, type, content] of files) {
        transfer.items.add(new File([Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))], name, {type}));
    }
    return transfer;
}"""
TYPES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".tiff": "image/tiff",
    ".txt": "text/plain",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}


class Desk:
    """The page at an address."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address

    def open(self) -> None:
        """Go there, and wait until the service has answered."""
        self.page.goto(self.address)
        expect(self.page.locator("#service")).not_to_contain_text("Asking", timeout=LIMIT_MS)

    def choose(self, *files: Path) -> None:
        self.page.set_input_files("#files", [str(file) for file in files])

    def drop(self, *files: Path) -> None:
        self._hand_over("drop", "dataTransfer", files)

    def paste(self, *files: Path) -> None:
        self._hand_over("paste", "clipboardData", files)

    def _hand_over(self, event: str, field: str, files: Iterable[Path]) -> None:
        told = [[file.name, TYPES[file.suffix], base64.b64encode(file.read_bytes()).decode()] for file in files]
        transfer = self.page.evaluate_handle(DROP, [told])
        if event == "paste":
            self.page.evaluate("(data) => document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data}))", transfer)
        else:
            self.page.dispatch_event("body", event, {field: transfer})

    def card(self, name: str) -> Locator:
        """Give the topmost card of that name."""
        title = self.page.locator(".title", has_text=re.compile(f"^{re.escape(name)}$"))
        return self.page.locator(".card", has=title).first

    def wait_for(self, name: str, state: str) -> Locator:
        """Wait until a card says a state, and give the card."""
        card = self.card(name)
        expect(card.locator(".badge")).to_have_text(state, timeout=LIMIT_MS)
        return card

    def job(self, card: Locator) -> dict[str, Any]:
        """Ask the service for the job of a card."""
        return self.get(f"/v1/jobs/{card.get_attribute('data-job')}")["job"]

    def get(self, path: str) -> dict[str, Any]:
        with urlopen(f"{self.address}{path}", timeout=30) as answer:
            told: dict[str, Any] = json.load(answer)
            return told

    def lines(self, path: str) -> list[dict[str, Any]]:
        """Read a stream to its end."""
        with urlopen(f"{self.address}{path}", timeout=30) as answer:
            return [json.loads(line) for line in answer]

    def shot(self, name: str) -> None:
        """Take a picture of the page, if pictures are wanted."""
        if folder := os.environ.get("MYEYE_SCREENSHOTS"):
            self.page.wait_for_load_state("networkidle")
            self.page.screenshot(path=Path(folder) / f"{name}.jpg", type="jpeg", quality=82)


def overflow_px(page: Page) -> int:
    """Tell how much wider than the window the page is."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
