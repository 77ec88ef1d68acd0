"""A real browser, the service on a socket for it to visit, and a club's page elsewhere.

``python -m tests.support.browser FOLDER`` puts screenshots of all pages there.
"""

import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright
from werkzeug import Request, Response
from werkzeug.serving import make_server

from feeds.app import create_app
from feeds.domain.quota import Rate
from feeds.sandbox import ORGANIZATION_ID
from tests.support.processes import HOST, PATIENCE, Clock, Upstream, _QuietHandler, settings_for

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
AMPLE = Rate(1_000_000, timedelta(minutes=1), 500_000)
VIEWPORT: ViewportSize = {"width": 1280, "height": 900}
WIDTHS = (360, 768, 1280)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

FESTIVAL = "harbor-festival"  # a sample: five runs, all as planned

MIXED = "mixed"
"""An event of ours whose runs stand in all ways that there are."""

MIXED_NAME = "Årets løb: 10 % off & Søn's “5K”"
"""What has to be encoded in a URL, and in HTML."""

PAGES = {
    "home": "/",
    "home, 400": "/?event=%20",
    "event": f"/events/{FESTIVAL}",
    "event, mixed": f"/events/{MIXED}",
    "event, hostile": "/events/run-for-all",
    "kit": f"/events/{MIXED}/embed-kit",
    "error": "/nothing",
    "embed": f"/events/{MIXED}/embed",
    "embed, hostile": "/events/run-for-all/embed",
    "embed, light": f"/events/{FESTIVAL}/embed?theme=light",
    "embed, dark": f"/events/{MIXED}/embed?theme=dark",
    "embed, yellow": f"/events/{MIXED}/embed?accent=ffff00",
    "embed, black": f"/events/{MIXED}/embed?accent=000000",
    "embed, white": f"/events/{MIXED}/embed?accent=ffffff",
    "embed, grey": f"/events/{MIXED}/embed?theme=dark&accent=7f7f7f",
}


@contextmanager
def served(answer: Callable[..., Any]) -> Iterator[int]:
    """A WSGI application on a port of its own."""
    server = make_server(HOST, 0, answer, threaded=True, request_handler=_QuietHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Site:
    """The service, at ``url``, and the upstream that it asks."""

    def __init__(self, url: str, upstream: Upstream) -> None:
        self.url = url
        self.upstream = upstream

    def publish(self, event_id: str, runs: list[dict[str, Any]], **fields: Any) -> str:
        """Have such an event, on 20 June 2026 if nothing else is said; its page."""
        event = {
            "_id": event_id,
            "name": event_id,
            "slug": event_id,
            "type": "race",
            "date": "2026-06-20",
            "organizationId": ORGANIZATION_ID,
        }
        ordinary = {
            "eventId": event_id,
            "distanceMeters": 10000,
            "distanceStandard": "10K",
            "date": "2026-06-20",
            "startTime": "09:00",
        }
        listed = [{"_id": f"{event_id}-{n}"} | ordinary | run for n, run in enumerate(runs, 1)]
        self.upstream.put(event_id, {"event": event | fields, "runs": listed})
        return f"{self.url}/events/{event_id}"


@contextmanager
def a_site(folder: Path) -> Iterator[Site]:
    """The service over a socket, at the address that its links lead to."""
    clock = Clock()
    apps: list[Callable[..., Any]] = []

    def answer(*call):
        return apps[0](*call)

    with Upstream(clock).on() as upstream, served(answer) as port:
        url = f"http://{HOST}:{port}"
        app = create_app(
            settings_for(upstream.url, folder, public_url=url, rate=AMPLE), clock.timestamp
        )
        apps.append(app)
        site = Site(url, upstream)
        site.publish(
            MIXED,
            [
                {"distanceLabel": "Marathon", "eventStatus": "cancelled"},
                {"distanceLabel": "Half", "eventStatus": "postponed"},
                {"distanceLabel": "10K", "eventStatus": "rescheduled"},
                {
                    "distanceLabel": "5K & walk",
                    "registrationUrl": "https://club.example/5k?a=1&b=2",
                },
                {"distanceLabel": "Mile", "eventStatus": "Weather hold", "soldOut": True},
            ],
            name=MIXED_NAME,
            address={"venue": "Fælledparken", "city": "København"},
            description="Start ved søen.\nhttps://not-a-link.example/",
            websiteUrl="https://club.example/løb",
            registrationUrl="https://club.example/all",
        )
        for path in PAGES.values():
            app.test_client().get(path)
        yield site


class Club:
    """A site of another origin, whose page is ``html``."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.html = ""

    def has(self, html: str) -> str:
        """Have this on the page; its address."""
        self.html = f"<!doctype html><html lang=en><title>Club</title>{html}"
        return self.url


@contextmanager
def a_club() -> Iterator[Club]:
    @Request.application
    def answer(request: Request) -> Response:
        return Response(there.html if request.path == "/" else "", mimetype="text/html")

    with served(answer) as port:
        there = Club(f"http://localhost:{port}/")
        yield there


@contextmanager
def a_browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Visit:
    """One visitor's window; what it asked for, and what should never happen."""

    def __init__(self, context: BrowserContext) -> None:
        context.set_default_timeout(PATIENCE * 1000)
        self.context = context
        self.requests: list[str] = []
        self.alarms: list[str] = []
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("weberror", lambda error: self.alarms.append(str(error.error)))
        context.on("console", lambda message: self.alarms.append(message.text))
        context.on("dialog", self._dismiss)
        self.page = context.new_page()

    def start_anew(self) -> None:
        """Leave whatever there is, in one window."""
        for page in self.context.pages:
            if page != self.page:
                page.close()
        self.page.goto("about:blank")
        self.page.set_viewport_size(VIEWPORT)
        self.page.emulate_media(media="screen", color_scheme="light")
        self.requests.clear()
        self.alarms.clear()

    def _dismiss(self, dialog: Any) -> None:
        self.alarms.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@pytest.fixture(scope="session")
def browser():
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with a_browser() as running:
        yield running


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    with a_site(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(scope="session")
def club():
    with a_club() as running:
        yield running


@pytest.fixture(scope="session")
def visitors(browser):
    """Those who were here before, by what tells them apart: a new one takes a second."""
    with ExitStack() as stack:

        def visitor(script: str = "", **options: Any) -> Visit:
            context = stack.enter_context(browser.new_context(viewport=VIEWPORT, **options))
            context.add_init_script(script)
            return Visit(context)

        yield cache(visitor)


@pytest.fixture
def visit(visitors):
    """A visitor with these options of Playwright's contexts, for whom a script runs first."""

    def visit(**options: Any) -> Visit:
        visiting: Visit = visitors(**options)
        visiting.start_anew()
        return visiting

    return visit


@pytest.fixture
def visiting(visit):
    """A visitor like most."""
    return visit()


@pytest.fixture
def page(visiting):
    return visiting.page


def violations(page: Page) -> list[str]:
    """What axe finds on a page that has its script, without looking into frames."""
    found = page.evaluate("axe.run({resultTypes: ['violations'], iframes: false})")
    return [
        f"{each['id']}: {node['html']:.200} {node.get('failureSummary')}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


def take_screenshots(folder: Path) -> None:
    """Every page in every width and scheme, as ``event-360-dark.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as database,
        a_site(Path(database)) as site,
        a_browser() as browser,
        browser.new_page() as page,
    ):
        for name, path in PAGES.items():
            page.goto(site.url + path)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                for scheme in SCHEMES:
                    page.emulate_media(color_scheme=scheme)
                    file = folder / f"{name.replace(', ', '-')}-{width}-{scheme}.png"
                    page.screenshot(path=file, full_page=True)


if __name__ == "__main__":
    take_screenshots(Path(sys.argv[1]))
