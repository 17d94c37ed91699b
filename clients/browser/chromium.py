"""Open the page in Chromium: play the conformance scenario there, or choose a picture as a person does.

chromium.py TARGET SCENARIO PICTURE RUN GUARDED TOKEN
chromium.py TARGET PICTURE
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

LIMIT_MS = 90_000
PLAY = "([scenario, picture, run]) => window.play(scenario, picture, run, (line) => window.tell(JSON.stringify(line)))"
SHOW = "(token) => window.show(token, (line) => window.tell(JSON.stringify(line)))"


def conformance(page: Page, scenario: str, picture: str, run: str, guarded: str, token: str) -> None:
    page.expose_function("tell", lambda line: print(line, flush=True))
    page.wait_for_function("window.play !== undefined")
    content = base64.b64encode(Path(picture).read_bytes()).decode()
    page.evaluate(PLAY, [json.loads(Path(scenario).read_text()), content, run])
    page.goto(f"http://{guarded}/")  # a page may call the edge that it is from, and no other
    page.wait_for_function("window.show !== undefined")
    page.evaluate(SHOW, token)


def example(page: Page, picture: str) -> None:
    page.set_input_files("#picture", picture)
    expect(page.locator("#told")).to_contain_text("SUCCEEDED", timeout=LIMIT_MS)
    print(page.inner_text("#told"))


def main(target: str, *arguments: str) -> None:
    program = shutil.which("chromium")
    assert program, "chromium is missing: scripts/system-packages chromium"
    flags = ["--disable-background-networking", "--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        page = browser.new_page()
        page.on("console", lambda message: print(message.text, file=sys.stderr))
        page.on("pageerror", lambda error: print(error, file=sys.stderr))
        page.goto(f"http://{target}/")
        if len(arguments) == 1:
            example(page, *arguments)
        else:
            conformance(page, *arguments)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
