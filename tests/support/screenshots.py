"""Write the pictures of the documentation and of shared links, with Chromium, from the demo.

``python -m tests.support.screenshots`` (``make screenshots``) writes ``docs/page.png``, the page of
a sample, and ``templates/card.png``, drawn from ``docs/card.html``.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.support.browser import ARGUMENTS, CHROMIUM
from tests.support.processes import find_two_free_ports

ROOT = Path(__file__).parents[2]


@contextmanager
def run_demo() -> Iterator[str]:
    """Run the demo; yield its URL."""
    command = [sys.executable, "-m", "feeds", "demo"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"PORT": str(find_two_free_ports())},
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        yield next(
            found[0] for line in demo.stdout if (found := re.search(r"http://\S+(?=/)", line))
        )
        demo.terminate()
        demo.stdout.read()


def take() -> None:
    """Write both pictures."""
    with sync_playwright() as playwright, run_demo() as demo:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 900, "height": 800}, device_scale_factor=1.5)
        page.goto(f"{demo}/events/chain-of-lakes-festival")
        page.screenshot(path=ROOT / "docs/page.png")
        card = browser.new_page(viewport={"width": 1200, "height": 630})
        card.goto((ROOT / "docs/card.html").as_uri())
        card.screenshot(path=ROOT / "templates/card.png")
        browser.close()


if __name__ == "__main__":
    take()
